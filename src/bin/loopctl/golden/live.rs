//! Live view of a race in progress.

use super::story::{epoch, ms};
use super::{Golden, Story, plain};
use crate::output::progress::live;
use crate::util::style::Style;

#[test]
fn a_race_in_progress() {
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, &["[fd77::dead]:8443", "10.77.0.2:8443", "10.77.0.99:8443"]);
    story.started(1.2, 0);
    story.started(251.3, 1);
    story.refused(251.7, 1);
    story.started(251.8, 2);
    let now = epoch() + ms(1500.0);
    let mut golden = Golden::default();
    let ascii = Style { color: false, unicode: false, width: Some(40) };
    for (title, style) in [("80", plain(Some(80))), ("40 in ASCII", ascii)] {
        let rows = live::rows([&story.report].into_iter(), 1, 0, now, style);
        golden.section(title, &rows.join("\n"));
    }
    let reports = vec![story.report.clone(); 25];
    let rows = live::rows(reports.iter(), 100, 7, now, plain(Some(80)));
    assert_eq!(rows.len(), 21, "twenty targets and their sum");
    golden.section("100 targets", &rows.join("\n"));
    golden.assert("connect/live.txt");
}
