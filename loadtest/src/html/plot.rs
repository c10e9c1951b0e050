//! Line plots as SVG: the few kinds that reports need. Numbers in, text out.

use std::fmt::Write as _;

use super::escaped;

/// Size of a plot and what lies around its area, in its own units. The page scales it.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;
/// Ticks that have room on an axis, about.
const TICKS: f64 = 6.0;
/// Colours that the style sheet has.
const COLOURS: usize = 4;
/// Plots with more points show no dots.
const DOTS_MAX: usize = 64;

/// How an x axis is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of two; values are above 0.
    Log,
    /// Shares below 1, so that 0.9, 0.99 and 0.999 lie evenly.
    Nines,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(1e-9).log2(),
            Self::Nines => -(1.0 - value).max(1e-9).log10(),
        }
    }

    /// Where ticks stand, and what they say.
    fn ticks(self, values: &[f64], low: f64, high: f64) -> Vec<(f64, String)> {
        match self {
            Self::Linear => even(low, high).into_iter().map(|tick| (tick, short(tick))).collect(),
            Self::Log => {
                let mut known = values.to_vec();
                known.sort_by(f64::total_cmp);
                known.dedup();
                // Loads that lie too close to the last labelled one keep their point, but no label.
                let mut ticks: Vec<f64> = Vec::new();
                for value in known {
                    let room = (high.log2() - low.log2()).max(1e-9) / 12.0;
                    if ticks.last().is_none_or(|last| value.log2() - last.log2() >= room) {
                        ticks.push(value);
                    }
                }
                ticks.into_iter().map(|tick| (tick, short(tick))).collect()
            }
            Self::Nines => {
                let shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999].into_iter();
                let seen = shares.filter(|share| (low..=high).contains(share));
                seen.map(|share| (share, format!("{} %", (share * 1e6).round() / 1e4))).collect()
            }
        }
    }
}

/// One line of a plot.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// What the key calls it; lines with the same name and colour share an entry.
    pub name: &'a str,
    /// Which of the colours, from 0.
    pub colour: usize,
    /// Its points, in order of x.
    pub points: Vec<(f64, f64)>,
    /// Broken into dashes.
    pub dashed: bool,
}

/// A plot.
#[derive(Debug, Clone)]
pub struct Plot<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the x axis is.
    pub x: &'a str,
    /// What the y axis is.
    pub y: &'a str,
    /// How the x axis is laid out.
    pub scale: Scale,
    /// Its lines.
    pub series: Vec<Series<'a>>,
    /// A bound that is drawn across, and what it is called.
    pub bound: Option<(f64, &'a str)>,
}

/// Where values lie in the plot.
struct Frame {
    scale: Scale,
    x: (f64, f64),
    top: f64,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        let (low, high) = (self.scale.place(self.x.0), self.scale.place(self.x.1));
        let part = if high > low { (self.scale.place(value) - low) / (high - low) } else { 0.5 };
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

impl Plot<'_> {
    /// Writes the figure; nothing if there is no point to draw.
    pub fn write(&self, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points).copied();
        let xs: Vec<f64> = points().map(|point| point.0).collect();
        let bound = self.bound.map_or(0.0, |(bound, _)| bound);
        let highest = points().map(|point| point.1).fold(0.0, f64::max);
        // A bound far above all points would press them to the floor.
        let highest = if bound < highest * 3.0 { highest.max(bound) } else { highest };
        let (low, high) = xs.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        if xs.is_empty() {
            return;
        }
        let low = if self.scale == Scale::Log { low } else { low.min(0.0) };
        let ticks = even(0.0, if highest > 0.0 { highest } else { 1.0 });
        let step = ticks.get(1).copied().unwrap_or(1.0);
        let frame = Frame { scale: self.scale, x: (low, high), top: (highest / step).ceil().max(1.0) * step };
        // Writing to a String cannot fail.
        let _ = self.write_figure(out, &frame, &xs, &ticks);
    }

    fn write_figure(&self, out: &mut String, frame: &Frame, xs: &[f64], ticks: &[f64]) -> std::fmt::Result {
        let title = escaped(self.title);
        write!(out, "<figure><figcaption><b>{title}</b>")?;
        self.write_key(out)?;
        write!(out, "<output></output></figcaption>")?;
        write!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">")?;
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let top = Some(&frame.top).filter(|top| ticks.last().is_none_or(|last| last < top));
        for tick in ticks.iter().chain(top) {
            let (y, text) = (frame.y(*tick), short(*tick));
            write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>")?;
            write!(out, "<text x=\"{:.1}\" y=\"{:.1}\" class=\"end\">{text}</text>", LEFT - 6.0, y + 4.0)?;
        }
        for (tick, text) in frame.scale.ticks(xs, frame.x.0, frame.x.1) {
            let x = frame.x(tick);
            write!(out, "<path class=\"grid\" d=\"M{x:.1} {floor:.1}v4\"/>")?;
            write!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" class=\"mid\">{}</text>", floor + 17.0, escaped(&text))?;
        }
        let middle = f64::midpoint(LEFT, right);
        write!(out, "<text x=\"{middle:.1}\" y=\"{:.1}\" class=\"mid\">{}</text>", HEIGHT - 6.0, escaped(self.x))?;
        let height = f64::midpoint(TOP, floor);
        let turned = format!("transform=\"rotate(-90 12 {height:.1})\"");
        write!(out, "<text x=\"12\" y=\"{height:.1}\" class=\"mid\" {turned}>{}</text>", escaped(self.y))?;
        if let Some((bound, name)) = self.bound.filter(|(bound, _)| *bound <= frame.top) {
            let y = frame.y(bound);
            write!(out, "<path class=\"bound\" d=\"M{LEFT} {y:.1}H{right}\"/>")?;
            write!(out, "<text x=\"{right:.1}\" y=\"{:.1}\" class=\"end\">{}</text>", y - 4.0, escaped(name))?;
        }
        let dots = xs.len() <= DOTS_MAX;
        self.series.iter().try_for_each(|series| series.write(out, frame, dots))?;
        writeln!(out, "<path class=\"cursor\" d=\"\"/></svg></figure>")
    }

    fn write_key(&self, out: &mut String) -> std::fmt::Result {
        let mut known = Vec::new();
        for series in &self.series {
            let entry = (series.name, series.colour % COLOURS, series.dashed);
            if series.name.is_empty() || known.contains(&entry) {
                continue;
            }
            known.push(entry);
            let dashed = if series.dashed { " dashed" } else { "" };
            write!(out, "<span class=\"key c{}{dashed}\">{}</span>", entry.1, escaped(series.name))?;
        }
        Ok(())
    }
}

impl Series<'_> {
    fn write(&self, out: &mut String, frame: &Frame, dots: bool) -> std::fmt::Result {
        let colour = self.colour % COLOURS;
        let dashed = if self.dashed { " dashed" } else { "" };
        write!(out, "<polyline class=\"c{colour}{dashed}\" data-name=\"{}\" points=\"", escaped(self.name))?;
        for (x, y) in &self.points {
            write!(out, "{:.1},{:.1} ", frame.x(*x), frame.y(*y))?;
        }
        // What the script tells where the pointer is.
        write!(out, "\" data-values=\"")?;
        for (x, y) in &self.points {
            write!(out, "{},{} ", rounded(*x), rounded(*y))?;
        }
        write!(out, "\"/>")?;
        if dots {
            for (x, y) in &self.points {
                write!(
                    out,
                    "<circle class=\"c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>",
                    frame.x(*x),
                    frame.y(*y)
                )?;
            }
        }
        Ok(())
    }
}

/// Even steps of 1, 2 or 5 times a power of ten, from `low` to not beyond `high`.
fn even(low: f64, high: f64) -> Vec<f64> {
    let rough = ((high - low) / TICKS).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|unit| unit * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..).map(|number| number as f64 * step).take_while(|tick| *tick <= high * 1.0001).take(20).collect()
}

/// A number in few characters: 12k, 3.4M, 0.25.
pub fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{}{unit}", rounded(value))
}

/// Four digits of a number, without zeros at the end.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(scale: Scale, points: &[(f64, f64)], bound: Option<(f64, &str)>) -> String {
        let series = vec![Series { name: "a<b", colour: 0, points: points.to_vec(), dashed: false }];
        let mut out = String::new();
        Plot { title: "t & u", x: "x", y: "y", scale, series, bound }.write(&mut out);
        out
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(even(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(even(0.0, 7.0), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(
            even(0.0, 0.3).into_iter().map(short).collect::<Vec<_>>(),
            ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]
        );
        for high in [1e-9, 0.1234, 1.0, 999.0, 1e12] {
            assert!((2..=12).contains(&even(0.0, high).len()), "{high}");
        }
        for (value, want) in [(0.0, "0"), (0.1 + 0.05, "0.15"), (9999.0, "9999"), (12_000.0, "12k"), (3.4e6, "3.4M")] {
            assert_eq!(short(value), want);
        }
    }

    #[test]
    fn points_lie_inside_the_frame() {
        let places = |text: &str| -> Vec<(f64, f64)> {
            let points = text.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
            let pair =
                |pair: &str| pair.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
            points.split_whitespace().map(pair).collect()
        };
        let found = places(&drawn(Scale::Linear, &[(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)], None));
        assert_eq!(found, [(58.0, 198.0), (296.0, 105.0), (534.0, 12.0)]);
        let found = places(&drawn(Scale::Log, &[(1.0, 1.0), (4.0, 1.0), (16.0, 1.0)], None));
        assert_eq!(found.iter().map(|place| place.0).collect::<Vec<_>>(), [58.0, 296.0, 534.0]);
        let found = places(&drawn(Scale::Nines, &[(0.0, 1.0), (0.9, 2.0), (0.99, 3.0)], None));
        assert_eq!(found.iter().map(|place| place.0).collect::<Vec<_>>(), [58.0, 296.0, 534.0]);
        let found = places(&drawn(Scale::Log, &[(4.0, 0.0)], None));
        assert_eq!(found, [(296.0, 198.0)], "a single point, and nothing above 0");
    }

    #[test]
    fn names_are_escaped_and_bounds_shown() {
        let text = drawn(Scale::Linear, &[(1.0, 10.0)], Some((15.0, "goal")));
        assert!(text.contains("t &amp; u") && text.contains("a&lt;b") && !text.contains("a<b"), "{text}");
        assert!(text.contains("class=\"bound\""), "{text}");
        assert!(!drawn(Scale::Linear, &[(1.0, 10.0)], Some((150.0, "goal"))).contains("class=\"bound\""));
        assert!(drawn(Scale::Linear, &[], None).is_empty());
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
