//! Plots as SVG, written by hand: a handful of bars and lines needs no library. Colours and text are readable on light
//! and dark pages.

use std::fmt::Write as _;

use crate::{
    figures::{Comparison, Series, quantile},
    table::short,
};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 275.0;
const BAR: f64 = 18.0;
const STYLE: &str = "<style>
  text { font: 13px system-ui, sans-serif; fill: #6e7781; }
  .title { font-weight: 600; }
  .axis { stroke: #8b949e; stroke-width: 1; }
  .grid { stroke: #8b949e; stroke-width: 0.5; stroke-dasharray: 2 4; }
  .line { fill: none; stroke: #2f81f7; stroke-width: 2; }
  .range { stroke: #8b949e; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9; }
    .range { stroke: #c9d1d9; }
  }
</style>
";

/// Bars for the candidates of each comparison: medians, with a line from the best round to the worst.
pub(crate) fn bars(title: &str, comparisons: &[Comparison]) -> String {
    let most = comparisons
        .iter()
        .flat_map(|comparison| &comparison.candidates)
        .map(|cost| quantile(&cost.microseconds, 1.0))
        .fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / most;
    let mut body = String::new();
    let mut y = 44.0;
    for comparison in comparisons {
        let _ = writeln!(
            body,
            "<text class=\"title\" x=\"8\" y=\"{:.0}\">{}</text>",
            y + 4.0,
            escaped(&comparison.case)
        );
        y += 14.0;
        for cost in &comparison.candidates {
            let value = |share| quantile(&cost.microseconds, share);
            let (width, middle) = (value(0.5) * scale, y + BAR / 2.0);
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT:.0}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.0}\" rx=\"2\" fill=\"{}\"/>\
                 <line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{} µs</text>",
                LEFT - 8.0,
                y + 13.5,
                escaped(&cost.candidate),
                y + 1.0,
                BAR - 3.0,
                colour(&cost.candidate),
                LEFT + value(0.0) * scale,
                LEFT + value(1.0) * scale,
                LEFT + value(1.0) * scale + 8.0,
                y + 13.5,
                short(value(0.5)),
            );
            y += BAR;
        }
        y += 22.0;
    }
    document(title, y, &body)
}

/// One line through the points of a series.
pub(crate) fn line(title: &str, series: &Series) -> String {
    let (left, top, width, height) = (70.0, 44.0, WIDTH - 100.0, 220.0);
    let last = series.points.iter().map(|(x, _)| *x).fold(1.0, f64::max);
    let highest = series.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let most = if highest > 0.0 { highest * 1.1 } else { 1.0 };
    let place = |(x, y): &(f64, f64)| (left + x / last * width, top + height - y / most * height);
    let mut body = String::new();
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        let (_, y) = place(&(0.0, value));
        let _ = writeln!(
            body,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left + width,
            left - 6.0,
            y + 4.0,
            short(value)
        );
    }
    let path: Vec<String> = series
        .points
        .iter()
        .map(place)
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let bottom = top + height;
    let _ = writeln!(
        body,
        "<line class=\"axis\" x1=\"{left}\" x2=\"{:.0}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
         <polyline class=\"line\" points=\"{}\"/>\
         <text x=\"{left}\" y=\"{:.0}\">0</text>\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{} {}</text>\
         <text x=\"8\" y=\"36\">{}</text>",
        left + width,
        path.join(" "),
        bottom + 18.0,
        left + width,
        bottom + 18.0,
        short(last),
        escaped(&series.x),
        escaped(&series.y),
    );
    document(title, bottom + 30.0, &body)
}

fn document(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n{STYLE}\
         <text class=\"title\" x=\"8\" y=\"18\">{title}</text>\n{body}</svg>\n",
        title = escaped(title)
    )
}

/// One colour for each product, whatever it does.
fn colour(candidate: &str) -> &'static str {
    match candidate {
        name if name.starts_with("nginx") => "#3fb950",
        name if name.starts_with("HAProxy") => "#a371f7",
        name if name.starts_with("Envoy") => "#db6d28",
        _ => "#2f81f7",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
