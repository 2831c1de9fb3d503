//! The `keyway` program.

fn main() {
    let path = std::env::args().nth(1).expect("a plan");
    let text = std::fs::read_to_string(path).expect("readable");
    let plan: keyway_sim::plan::Plan = serde_json::from_str(&text).expect("a plan");
    let outcome =
        keyway_sim::run::run(&plan, &keyway_core::platform::Reference::new(), keyway_sim::run::Options { keep_log: true, unjudged: false });
    for (at, occurrence) in &outcome.log {
        println!("{at} {}", serde_json::to_string(occurrence).unwrap());
    }
    println!("{} {:?}", outcome.verdict, outcome.finding);
    println!("{:?} {:?}", outcome.figures, outcome.marks);
}
