//! Distribution of times: exact for the first ten thousand, then by histogram.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Number of times that are kept as measured, 80 kB. With more, quantiles come from a histogram.
pub(crate) const MAX_EXACT: usize = 10_000;

/// Distribution of times, of bounded size. Minimum and maximum are always exact.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    min: Duration,
    max: Duration,
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    /// Nanoseconds of each, in the order of their arrival.
    Exact(Vec<u64>),
    /// Microseconds, to three digits.
    Histogram(Box<Histogram<u64>>),
}

/// One bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Largest time that the bar may contain.
    pub(crate) end: Duration,
    pub(crate) count: u64,
    /// Whether the bar begins a group, so that times before it are left out of the scale.
    pub(crate) begins_group: bool,
}

impl Times {
    pub(crate) fn new() -> Self {
        Self { min: Duration::MAX, max: Duration::ZERO, kept: Kept::Exact(Vec::new()) }
    }

    pub(crate) fn record(&mut self, took: Duration) {
        (self.min, self.max) = (self.min.min(took), self.max.max(took));
        match &mut self.kept {
            Kept::Exact(times) if times.len() < MAX_EXACT => times.push(nanoseconds(took)),
            Kept::Exact(times) => {
                let mut histogram = Box::new(histogram());
                times.iter().for_each(|nanoseconds| add(&mut histogram, *nanoseconds));
                add(&mut histogram, nanoseconds(took));
                self.kept = Kept::Histogram(histogram);
            }
            Kept::Histogram(histogram) => add(histogram, nanoseconds(took)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether quantiles are times that were measured, and not edges of a histogram's bins.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.kept, Kept::Exact(_))
    }

    pub(crate) fn count(&self) -> u64 {
        match &self.kept {
            Kept::Exact(times) => times.len() as u64,
            Kept::Histogram(histogram) => histogram.len(),
        }
    }

    /// Smallest time that is not below this share of all times (nearest rank).
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let times = match &self.kept {
            Kept::Exact(times) => times,
            Kept::Histogram(histogram) => {
                let edge = Duration::from_micros(histogram.value_at_quantile(quantile));
                return edge.clamp(self.min, self.max);
            }
        };
        let rank = (quantile * times.len() as f64).ceil() as usize;
        let mut times = times.clone();
        let Some(last) = times.len().checked_sub(1) else { return Duration::ZERO };
        let (_, time, _) = times.select_nth_unstable(rank.saturating_sub(1).min(last));
        Duration::from_nanos(*time)
    }

    pub(crate) fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    pub(crate) fn min(&self) -> Duration {
        self.min.min(self.max)
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// At most `bars` bars, each time in one of them. Groups of times that lie far apart have equal bars each, so that
    /// one slow time does not crowd the others into one bar.
    pub(crate) fn bars(&self, bars: usize) -> Vec<Bar> {
        let samples = self.samples();
        let groups = groups(&samples);
        let room = bars.saturating_sub(groups.len());
        let total: u64 = samples.iter().map(|(_, count)| count).sum();
        let parts = groups.iter().enumerate().flat_map(|(number, group)| {
            let share: u64 = group.iter().map(|(_, count)| count).sum();
            let more = usize::try_from(share * room as u64 / total.max(1)).unwrap_or(0);
            equal_bars(group, 1 + more, number > 0)
        });
        parts.collect()
    }

    /// Times in ascending order, with the number of each.
    fn samples(&self) -> Vec<(Duration, u64)> {
        match &self.kept {
            Kept::Exact(times) => {
                let mut times = times.clone();
                times.sort_unstable();
                times.into_iter().map(|time| (Duration::from_nanos(time), 1)).collect()
            }
            Kept::Histogram(histogram) => {
                let bins = histogram.iter_recorded();
                let value = |edge| Duration::from_micros(edge).clamp(self.min, self.max);
                bins.map(|bin| (value(bin.value_iterated_to()), bin.count_at_value())).collect()
            }
        }
    }
}

type Sample = (Duration, u64);

/// Splits times where a gap is at least as wide as [`MIN_GAP`] times all that is on either side of it.
fn groups(samples: &[Sample]) -> Vec<&[Sample]> {
    const MAX_GROUPS: usize = 4;
    let mut groups = vec![samples];
    while groups.len() < MAX_GROUPS {
        let split =
            groups.iter().enumerate().find_map(|(at, group)| Some((at, widest_gap(group)?)));
        let Some((at, gap)) = split else { break };
        let (before, after) = groups[at].split_at(gap);
        groups.splice(at..=at, [before, after]);
    }
    groups
}

/// Index after the widest gap, if it dwarfs the times before and after it.
fn widest_gap(group: &[Sample]) -> Option<usize> {
    /// Ratio of a gap to the times on each side of it.
    const MIN_GAP: u32 = 2;
    let gap = |at: &usize| group[*at].0 - group[*at - 1].0;
    let at = (1..group.len()).max_by_key(gap)?;
    let span = |part: &[Sample]| match part {
        [(first, _), .., (last, _)] => *last - *first,
        _ => Duration::ZERO,
    };
    let (before, after) = group.split_at(at);
    let is_wide = gap(&at) > span(before).max(span(after)) * MIN_GAP;
    // A gap of times that are nearly equal is noise.
    (is_wide && gap(&at) > before[0].0 / 2).then_some(at)
}

/// Bars of equal width from the first time of a group to its last.
fn equal_bars(group: &[Sample], bars: usize, begins_group: bool) -> Vec<Bar> {
    let (Some((min, _)), Some((max, _))) = (group.first(), group.last()) else { return Vec::new() };
    // Because times of a millisecond and more have one decimal, narrower bars would seem to end at the same time.
    let min_width = Duration::from_micros(if *max < Duration::from_millis(1) { 10 } else { 100 });
    let span = *max - *min;
    let bars = bars.min((span.as_nanos() / min_width.as_nanos()) as usize).max(1);
    let width = span / bars as u32;
    let end =
        |number: usize| if number + 1 == bars { *max } else { *min + width * (number as u32 + 1) };
    let mut counted: Vec<Bar> = (0..bars)
        .map(|number| Bar { end: end(number), count: 0, begins_group: begins_group && number == 0 })
        .collect();
    for (time, count) in group {
        if let Some(bar) = counted.iter_mut().find(|bar| *time <= bar.end) {
            bar.count += count;
        }
    }
    counted
}

fn nanoseconds(took: Duration) -> u64 {
    took.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn histogram() -> Histogram<u64> {
    // Three significant digits are always valid; should they ever not be, one digit is.
    let histogram = Histogram::new(3).or_else(|_| Histogram::new(1));
    histogram.unwrap_or_else(|error| unreachable!("{error}"))
}

fn add(histogram: &mut Histogram<u64>, nanoseconds: u64) {
    // The histogram grows with its values; only one of centuries could be refused.
    let recorded = histogram.record(nanoseconds / 1000);
    debug_assert!(recorded.is_ok(), "{nanoseconds}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(us: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::new();
        us.into_iter().for_each(|us| times.record(Duration::from_micros(us)));
        times
    }

    fn count(bars: &[Bar]) -> u64 {
        bars.iter().map(|bar| bar.count).sum()
    }

    #[test]
    fn each_time_is_in_one_bar_and_every_bar_counts_what_it_spans() {
        let near = 2_050_111..2_050_115;
        let samples: [Vec<u64>; 6] = [
            vec![5],
            vec![1, 1000],
            (1..=100).collect(),
            vec![7, 7, 7, 8],
            near.collect(),
            (0..30_000).map(|nth| 900 + nth % 977).collect(),
        ];
        for sample in samples {
            let times = times(sample.clone());
            let bars = times.bars(10);
            assert!(bars.len() <= 10, "{bars:?}");
            assert_eq!(count(&bars), sample.len() as u64, "{bars:?}");
            assert_eq!(bars.last().unwrap().end, times.max());
        }
    }

    #[test]
    fn one_slow_time_does_not_empty_the_scale_of_the_others() {
        let quick = (0..50).map(|nth| 10_000 + 310 * nth);
        let times = times(quick.chain([1_011_000, 3_020_000]));
        let bars = times.bars(10);
        let filled = bars.iter().filter(|bar| bar.count > 0).count();
        assert!(filled >= 7, "the quick ones are spread: {bars:?}");
        let groups = bars.iter().filter(|bar| bar.begins_group).count();
        assert_eq!(groups, 2, "1 s and 3 s each begin a group: {bars:?}");
        assert_eq!(count(&bars), 52);
    }

    #[test]
    fn an_even_spread_is_one_group() {
        for sample in [vec![100, 250, 400, 900], (1..200).map(|nth| nth * nth).collect()] {
            let bars = times(sample).bars(10);
            assert!(bars.iter().all(|bar| !bar.begins_group), "{bars:?}");
        }
    }

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let taken = times([250_123, 251_789, 250_456]);
        let us = |quantile| taken.quantile(quantile).as_micros();
        assert_eq!((us(0.0), us(0.5), us(0.9), us(0.99)), (250_123, 250_456, 251_789, 251_789));
        assert_eq!((taken.min().as_micros(), taken.max().as_micros()), (250_123, 251_789));
        let hundred = times((1..=100).rev());
        assert_eq!(hundred.quantile(0.9).as_micros(), 90, "the nearest rank");
        assert_eq!(hundred.quantile(0.99).as_micros(), 99);
    }

    #[test]
    fn beyond_what_is_kept_the_ends_stay_exact() {
        let count = MAX_EXACT as u64 + 1;
        let times = times((0..count).map(|nth| 1_234_567 + nth));
        assert!(!times.is_exact());
        assert_eq!(times.count(), count);
        assert_eq!(times.min().as_micros(), 1_234_567);
        assert_eq!(times.max().as_micros(), u128::from(1_234_567 + count - 1));
        assert!(times.quantile(0.99) <= times.max());
        let median = times.median().as_secs_f64();
        assert!((median - 1.239_567).abs() < 0.0013, "to three digits: {median}");
    }
}
