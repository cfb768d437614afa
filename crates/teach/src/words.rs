//! Numbers in words that nobody takes for more than they are.

/// Whether there are enough pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// Too few to say how good it is.
    No(Few),
    /// The estimate means something, and more pictures would help: twenty of each, fifty with more than five classes.
    MoreWouldHelp,
    /// More pictures help little, unless they show something new.
    Yes,
}

/// How few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Few {
    /// Nothing can be learnt.
    Nothing,
    /// It can be tried, and its quality is a guess.
    AStart,
}

impl Enough {
    /// A sentence; empty if there are enough.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::No(Few::Nothing) => "Two pictures of each are the least.",
            Self::No(Few::AStart) => "A start. Ten of each tell more.",
            Self::MoreWouldHelp => "More pictures would help: twenty of each, fifty with more than five classes.",
            Self::Yes => "",
        }
    }
}

/// A share (0 to 1) in words, such as `3 in 4`: the nearest of those that people use.
pub fn share_in_words(share: f64) -> &'static str {
    const SHARES: [(f64, &str); 11] = [
        (0.1, "1 in 10"),
        (0.25, "1 in 4"),
        (1.0 / 3.0, "1 in 3"),
        (0.5, "1 in 2"),
        (2.0 / 3.0, "2 in 3"),
        (0.75, "3 in 4"),
        (0.8, "4 in 5"),
        (0.9, "9 in 10"),
        (0.95, "19 in 20"),
        (0.98, "49 in 50"),
        (0.99, "99 in 100"),
    ];
    let nearest = SHARES.iter().min_by(|a, b| (a.0 - share).abs().total_cmp(&(b.0 - share).abs()));
    nearest.map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_that_people_use() {
        for (share, words) in [
            (0.94, "19 in 20"),
            (0.73, "3 in 4"),
            (1.0, "99 in 100"),
            (0.62, "2 in 3"),
            (0.0, "1 in 10"),
            (f64::NAN, "1 in 10"),
        ] {
            assert_eq!(share_in_words(share), words, "{share}");
        }
    }
}
