//! From values to positions.

/// Larger magnitudes are drawn at this one: their differences would overflow.
const LARGEST: f64 = 1e300;

/// A linear or logarithmic map from a domain of values to a range of positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    log: bool,
}

impl Scale {
    /// A linear scale; a domain without width is given some.
    pub(crate) fn linear((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            let pad = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - pad, low + pad)
        };
        Self { low, high, start, end, log: false }
    }

    /// A logarithmic scale over a positive domain.
    pub(crate) fn log((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, low * 2.0) };
        Self { low, high, start, end, log: true }
    }

    /// Where `value` is drawn; values outside the domain stay at its ends.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + share * (self.end - self.start)
    }

    /// Round values inside the domain, about `wanted` of them, and the step between them.
    pub(crate) fn ticks(&self, wanted: usize) -> (Vec<f64>, f64) {
        if self.log {
            return (self.log_ticks(), 0.0);
        }
        let raw = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|multiple| multiple * power)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(10.0 * power);
        let first = (self.low / step - 1e-9).ceil();
        let ticks = (0..=2 * wanted)
            .map(|i| (first + i as f64) * step)
            .take_while(|tick| *tick <= self.high + step * 1e-9)
            .collect();
        (ticks, step)
    }

    /// Powers of ten, with 2 and 5 times them where there are few.
    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let multiples: &[f64] = match decades {
            d if d < 2.0 => &[1.0, 2.0, 5.0],
            d if d < 3.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = (decades / 6.0).ceil().max(1.0) as i32;
        let (from, to) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        (from..=to)
            .step_by(every as usize)
            .flat_map(|power| multiples.iter().map(move |m| m * 10f64.powi(power)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

/// Least and largest of the finite values.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |found, value| {
        let value = value.clamp(-LARGEST, LARGEST);
        match found {
            None => Some((value, value)),
            Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let (ticks, step) = Scale::linear((0.0, 97.0), (0.0, 1.0)).ticks(5);
        assert_eq!((ticks, step), (vec![0.0, 20.0, 40.0, 60.0, 80.0], 20.0));
        let (ticks, _) = Scale::log((0.03, 40.0), (0.0, 1.0)).ticks(5);
        assert!(ticks.contains(&0.1) && ticks.contains(&10.0), "{ticks:?}");
    }

    #[test]
    fn no_domain_breaks_a_position() {
        for domain in [(0.0, 0.0), (3.0, 3.0), (-1e300, 1e300), (1e-300, 1e300), (5.0, -5.0)] {
            let scale = Scale::linear(domain, (10.0, 20.0));
            for value in [domain.0, domain.1, 0.0, 1e308, -1e308] {
                assert!((10.0..=20.0).contains(&scale.at(value)), "{domain:?} {value}");
            }
            assert!(scale.ticks(5).0.len() <= 11);
        }
        assert!((10.0..=20.0).contains(&Scale::log((2.0, 2.0), (10.0, 20.0)).at(2.0)));
    }

    #[test]
    fn an_extent_passes_over_what_is_not_a_number() {
        assert_eq!(extent([f64::NAN, 2.0, f64::INFINITY, -1.0]), Some((-1.0, 2.0)));
        assert_eq!(extent([f64::NAN]), None);
    }
}
