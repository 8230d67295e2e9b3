//! Transfers of files.

use loopctl::{CopyReason, SendfilePath};

use super::story::{errno, ms};
use super::{Golden, Story, WIDTHS, plain};
use crate::diagnose::cause;
use crate::output::human::sendfile::text;
use crate::output::json::sendfile as json;
use crate::output::progress::bar::Progress;
use crate::report::transfer::{
    FileChange, TransferEnd, TransferError, TransferProgress, TransferReport,
};
use crate::report::{End, FailureKind};
use crate::util::cancellation::StopReason;
use crate::util::checksum::{Algorithm, Sum};

fn golden(name: &str, story: Story, sending: TransferReport) {
    let mut golden = Golden::default();
    let mut report = story.report;
    report.transfer = Some(Box::new(sending));
    let sending = report.transfer.as_ref().unwrap();
    for width in WIDTHS {
        let message = cause::explain(&report).render(plain(Some(width)));
        let shown =
            text::sent(sending, Some(width)) + &String::from_utf8_lossy(&text::sum(sending));
        golden.section(&format!("human {width}"), &format!("{shown}-- stderr\n{message}"));
    }
    golden.json("json", &json::document(&report, sending));
    super::assert_valid("sendfile.v1.json", &json::document(&report, sending));
    golden.assert(&format!("sendfile/{name}.txt"));
}

fn sending() -> TransferReport {
    let mut sending = TransferReport::new("10m.bin".to_owned());
    sending.wanted = Some(10_485_760);
    sending.took = ms(12.5);
    let (bytes, path) = (10_485_760, Some(SendfilePath::Native));
    sending.progress = TransferProgress { had: 0, bytes, path, calls: 161, retransmits: Some(1) };
    sending
}

#[test]
fn sent() {
    let mut whole = sending();
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
    whole.sum = Some(Sum { algorithm: Algorithm::Sha256, hex: hex.clone() });
    golden("whole", Story::connected(), whole);
    let mut part = sending();
    (part.offset, part.is_part, part.wanted) = (4096, true, Some(1000));
    let path = Some(SendfilePath::Copied(CopyReason::NotRegularFile));
    part.progress = TransferProgress { had: 0, bytes: 1000, path, calls: 1, retransmits: None };
    part.sum = Some(Sum { algorithm: Algorithm::Blake3, hex });
    golden("part", Story::connected(), part);
    for (name, reason) in [("asked", CopyReason::Asked), ("refused", CopyReason::Refused(22))] {
        let mut copied = sending();
        copied.progress.path = Some(SendfilePath::Copied(reason));
        golden(&format!("copied-{name}"), Story::connected(), copied);
    }
}

#[test]
fn sent_in_part_or_not_at_all() {
    let cases = [
        ("broken", TransferEnd::Failed(TransferError::Send(errno(104)))),
        ("idle", TransferEnd::Failed(TransferError::Idle(ms(30_000.0)))),
        (
            "short",
            TransferEnd::Failed(TransferError::Short { sent: 4_000_000, wanted: 10_485_760 }),
        ),
        ("interrupted", TransferEnd::Interrupted(StopReason::Signal(2))),
    ];
    for (name, end) in cases {
        let mut sending = sending();
        sending.progress.bytes = 4_000_000;
        sending.end = end;
        golden(name, Story::connected(), sending);
    }
    let mut none = TransferReport::new("none.bin".to_owned());
    none.is_opened = false;
    none.end = TransferEnd::Failed(TransferError::File(errno(2)));
    let mut story = Story::new("many.test:8443");
    story.report.end = End::Failed(FailureKind::NoFile);
    golden("no-file", story, none);
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, &["10.77.0.2:8443"]);
    story.started(1.2, 0);
    story.refused(1.5, 0);
    story.aborted(1.5, loopctl::AbortReason::AllFailed);
    golden("no-connection", story, TransferReport::new("10m.bin".to_owned()));
    let mut warned = sending();
    warned.change = Some(FileChange::Growth(5));
    golden("warned", Story::connected(), warned);
}

#[test]
fn so_far() {
    let mut golden = Golden::default();
    for had in [0, 500] {
        let progress = Progress { had, sent: 6_100_000, took: ms(100.0) };
        golden.section(&format!("stderr: SIGQUIT, {had} were there"), &text::interim(progress));
    }
    golden.assert("sendfile/so-far.txt");
}
