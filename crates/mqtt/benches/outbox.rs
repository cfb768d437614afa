//! The outbox: what a message costs from the thread that publishes it until the broker has acknowledged it.

use criterion::{Criterion, criterion_group, criterion_main};
use glimpsed_mqtt::{Delivery, Message, Outbox};

fn through(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outbox");
    for (name, delivery) in [("event", Delivery::Event), ("latest", Delivery::Latest), ("live", Delivery::Live)] {
        let outbox = Outbox::new(1000);
        outbox.connected();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                outbox.push(Message::new("shelf/state", "espresso", delivery, false));
                while let Some((ticket, _)) = outbox.take() {
                    outbox.acknowledge(ticket);
                }
            });
        });
    }
    group.finish();
}

/// A broker is away for long: each new event displaces the oldest.
fn overflow(criterion: &mut Criterion) {
    let outbox = Outbox::new(1000);
    criterion.bench_function("outbox/full", |bencher| {
        bencher.iter(|| outbox.push(Message::new("shelf/event", "espresso", Delivery::Event, false)));
    });
}

criterion_group!(benches, through, overflow);
criterion_main!(benches);
