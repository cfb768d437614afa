//! Which model to choose, based only on measurements on this device.

use crate::domain::comparison::{Accuracy, Advice, Figures, Row, Share};

/// Below this number of labelled pictures, a single one decides.
const FEW: usize = 100;

/// Largest deficit in accuracy of a balanced model, compared with the best: one picture in fifty.
const NEARLY: f64 = 0.02;

struct Candidate<'a> {
    name: &'a str,
    figures: &'a Figures,
}

/// The model that is best for each purpose. Empty without a model that runs.
pub(super) fn give(rows: &[Row]) -> Vec<Advice> {
    let running: Vec<Candidate> =
        rows.iter().filter_map(|row| Some(Candidate { name: &row.name, figures: row.figures.as_ref()? })).collect();
    let least = |of: &dyn Fn(&Figures) -> f64| {
        running.iter().min_by(|one, other| of(one.figures).total_cmp(&of(other.figures)))
    };
    let speed = |figures: &Figures| figures.infer_ms.p50;
    let advice = |kind, candidate: &Candidate, reason| Advice { kind, model: candidate.name.to_owned(), reason };

    let fastest = least(&speed).map(|it| {
        let others = running.iter().filter(|other| other.name != it.name);
        let next = others.min_by(|one, other| speed(one.figures).total_cmp(&speed(other.figures)));
        let lead = next.map_or(String::new(), |next| {
            format!(", {:.1} times as fast as {}", speed(next.figures) / speed(it.figures), next.name)
        });
        advice("fastest", it, format!("{:.1} ms for a picture{lead}", speed(it.figures)))
    });
    // Ties in top-1 are broken by top-5, then by latency.
    let accurate = running.iter().filter(|it| it.figures.accuracy.is_some()).max_by(|one, other| {
        let rank = |figures: &Figures| figures.accuracy.map(|accuracy| (accuracy.top1, accuracy.top5));
        let by_time = speed(other.figures).total_cmp(&speed(one.figures));
        rank(one.figures).cmp(&rank(other.figures)).then(by_time)
    });
    let most_accurate = accurate.and_then(|it| {
        let Accuracy { top1, of, .. } = it.figures.accuracy?;
        let caution = if of < FEW { ", which are too few to tell models apart that are close" } else { "" };
        Some(advice("most accurate", it, format!("right on {top1} of {of} pictures{caution}")))
    });
    let smallest = least(&|figures| figures.facts.file_bytes as f64).map(|it| {
        let megabytes = it.figures.facts.file_bytes as f64 / 1e6;
        advice("smallest", it, format!("its file has {megabytes:.1} MB"))
    });
    let balanced = match accurate {
        Some(best) => nearly_as_accurate(&running, best),
        None => agreeing(&running),
    };
    let balanced = balanced.map(|(it, reason)| advice("balanced", it, reason));
    [fastest, most_accurate, smallest, balanced].into_iter().flatten().collect()
}

/// The fastest model with nearly the accuracy of the best.
fn nearly_as_accurate<'a>(running: &'a [Candidate<'a>], best: &Candidate) -> Option<(&'a Candidate<'a>, String)> {
    let share = |accuracy: Accuracy| accuracy.top1 as f64 / accuracy.of as f64;
    let top = best.figures.accuracy?;
    // With few pictures, a difference of one is chance.
    let allowed = NEARLY.max(1.0 / top.of as f64);
    let near =
        running.iter().filter(|it| it.figures.accuracy.is_some_and(|own| share(own) + allowed + 1e-9 >= share(top)));
    let it = near.min_by(|one, other| one.figures.infer_ms.p50.total_cmp(&other.figures.infer_ms.p50))?;
    let own = it.figures.accuracy?;
    let reason = format!(
        "the fastest of those that are right about as often as the best: {} of {} pictures in {:.1} ms each",
        own.top1, own.of, it.figures.infer_ms.p50
    );
    Some((it, reason))
}

/// Without labels: the fastest model that mostly agrees with the reference.
fn agreeing<'a>(running: &'a [Candidate<'a>]) -> Option<(&'a Candidate<'a>, String)> {
    let mostly = |share: Share| share.same * 10 >= share.of * 9;
    let near = running.iter().filter(|it| it.figures.agreement.is_some_and(mostly));
    let it = near.min_by(|one, other| one.figures.infer_ms.p50.total_cmp(&other.figures.infer_ms.p50))?;
    let Share { same, of } = it.figures.agreement?;
    let reason = format!(
        "the fastest of those that nearly always agree with the reference ({same} of {of}); which is right is not known \
         without labelled pictures"
    );
    Some((it, reason))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::row;
    use super::*;

    fn models(advice: &[Advice]) -> Vec<(&str, &str)> {
        advice.iter().map(|one| (one.kind, one.model.as_str())).collect()
    }

    #[test]
    fn each_purpose_gets_the_model_that_is_best_for_it() {
        let rows = [
            row("accurate", 30.0, 40_000_000, Some(80)),
            row("near", 8.0, 14_000_000, Some(79)),
            row("fast", 3.0, 9_000_000, Some(60)),
            row("small", 4.0, 3_000_000, Some(50)),
            Row { name: "broken".into(), error: Some("no".into()), figures: None },
        ];
        let expected =
            [("fastest", "fast"), ("most accurate", "accurate"), ("smallest", "small"), ("balanced", "near")];
        assert_eq!(models(&give(&rows)), expected);
    }

    #[test]
    fn without_labels_nobody_is_called_accurate() {
        let rows = [row("a", 8.0, 14, None), row("b", 3.0, 3, None)];
        assert_eq!(models(&give(&rows)), [("fastest", "b"), ("smallest", "b"), ("balanced", "b")]);
        assert_eq!(give(&[]), []);
    }

    #[test]
    fn equally_accurate_models_are_told_apart_by_time() {
        let rows = [row("slow", 8.0, 1, Some(70)), row("quick", 3.0, 2, Some(70))];
        assert_eq!(give(&rows)[1].model, "quick");
    }
}
