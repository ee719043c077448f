//! An outcome as a table for a terminal.

use crate::figures::{Comparison, Outcome, mib, quantile};

/// Prints everything that a scenario measured.
pub(crate) fn print(outcome: &Outcome) {
    for figure in &outcome.figures {
        let wanted = match figure.wanted.as_str() {
            "" => String::new(),
            wanted => format!("   (wanted {wanted})"),
        };
        println!(
            "  {:<58} {:>10} {}{wanted}",
            figure.name,
            short(figure.value),
            figure.unit
        );
    }
    for comparison in &outcome.comparisons {
        compare(comparison);
    }
    for reason in &outcome.left_out {
        println!("  LEFT OUT: {reason}");
    }
}

fn compare(comparison: &Comparison) {
    println!(
        "  {:<40} {:>10} {:>10} {:>8}   rounds",
        comparison.case, "median µs", "gateway ÷", "MiB"
    );
    for cost in &comparison.candidates {
        let rounds: Vec<String> = cost.microseconds.iter().copied().map(short).collect();
        println!(
            "    {:<38} {:>10} {:>10} {:>8.0}   {}",
            cost.candidate,
            short(quantile(&cost.microseconds, 0.5)),
            comparison.ratio(&cost.candidate).map(short).unwrap_or_default(),
            mib(cost.resident_kib),
            rounds.join(" ")
        );
    }
    for wanted in &comparison.wanted {
        if let Some(ratio) = comparison.ratio(&wanted.beside) {
            println!(
                "    beside {}: {} ×, wanted ≤ {} ×",
                wanted.beside,
                short(ratio),
                wanted.at_most
            );
        }
    }
}

/// A number with as many digits as it is worth.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
