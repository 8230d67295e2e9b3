//! Write watermarks: CPython's own limits as a table, and any order of growing, shrinking and telling.

use loopctl::plan::{Flow, FlowCall, Watermarks, WriteLimits};
use proptest::prelude::*;
use serde_json::Value;

/// `None` for what is given but cannot be: a negative number, which the types exclude.
fn limit(value: &Value) -> Option<Option<usize>> {
    match value.as_i64() {
        None => Some(None),
        Some(number) => usize::try_from(number).ok().map(Some),
    }
}

#[test]
fn trans_14_limits_follow_from_each_other_as_in_cpython() {
    let vectors: Vec<(Value, Value, Value)> =
        serde_json::from_str(include_str!("flow_limits.json")).unwrap();
    assert_eq!(vectors.len(), 15);
    let mut excluded = 0;
    for (high, low, wanted) in &vectors {
        let (Some(high), Some(low)) = (limit(high), limit(low)) else {
            assert!(wanted.is_string(), "{wanted}");
            excluded += 1;
            continue;
        };
        match WriteLimits::new(high, low) {
            Ok(WriteLimits { low, high }) => assert_eq!(*wanted, serde_json::json!([low, high])),
            Err(error) => assert_eq!(*wanted, format!("ValueError: {error}")),
        }
    }
    assert_eq!(excluded, 3, "what is negative cannot be written down");
}

#[test]
fn trans_14_an_endless_limit_has_no_overflow() {
    let limits = WriteLimits::new(None, Some(usize::MAX)).unwrap();
    assert_eq!(limits.high, usize::MAX);
}

#[test]
fn trans_13_limits_of_zero_pause_at_the_first_byte() {
    let mut marks = Watermarks::default();
    marks.set_limits(WriteLimits::new(Some(0), None).unwrap(), 0);
    assert_eq!((marks.grew(0), marks.grew(1)), (Flow::Open, Flow::Full));
    assert!(!marks.shrank(1));
    assert!(marks.shrank(0));
}

proptest! {
    /// Pause and resume come by turns; who saw `Full` is told to pause and, once there is room, to resume.
    #[test]
    fn trans_16_calls_alternate_in_any_order_of_events(
        steps in proptest::collection::vec((0_usize..200_000, any::<bool>()), 0..60),
    ) {
        let (mut marks, mut size) = (Watermarks::default(), 0);
        let (mut last, mut saw_full) = (FlowCall::Resume, false);
        for (next, tells) in steps {
            if next > size {
                saw_full |= marks.grew(next) == Flow::Full;
            } else {
                marks.shrank(next);
            }
            size = next;
            while let Some(call) = tells.then(|| marks.next_call()).flatten() {
                prop_assert_ne!(call, last);
                prop_assert!(saw_full, "told without a reason");
                last = call;
            }
            if tells {
                let wanted = if marks.is_full() { FlowCall::Pause } else { FlowCall::Resume };
                prop_assert_eq!(last, wanted);
            }
        }
    }
}
