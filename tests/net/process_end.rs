//! Children: signals, closing, zombies, descriptors.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use loopctl::{ChildStdio, Clock, EventLoop};
use rustix::process::{Pid, WaitOptions, test_kill_process, waitpid};

use crate::process::{Diary, shell};
use crate::support::{descriptors, in_child, in_child_with_descriptors, run, start_logging};
use crate::support::{take_logged, turns, until};

/// Whether there is such a process, a zombie included.
fn exists(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}

#[test]
fn proc_04_close_kills_a_child_that_runs() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exec sleep 60").await;
        let stdin = child.transport.stdin().unwrap();
        stdin.write(&vec![0; 200_000]);
        child.transport.close();
        child.transport.close();
        assert!(child.transport.is_closing());
        child.transport.wait_closed().await;
        assert_eq!(child.transport.returncode(), Some(-9));
        assert!(!exists(child.transport.pid()), "no zombie");
        assert!(child.with(|diary| diary.has("exited") && diary.has("Stdout lost None")));
    });
}

/// It has exited, which the loop does not know yet: the code stays its own.
#[test]
fn proc_04_close_does_not_kill_a_child_that_has_finished() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exit 3").await;
        let path = format!("/proc/{}/stat", child.transport.pid());
        // The loop has no turn meanwhile.
        while !std::fs::read_to_string(&path).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        child.transport.close();
        child.transport.wait_closed().await;
        assert_eq!(child.transport.returncode(), Some(3));
    });
}

#[test]
fn proc_04_a_hundred_children_leave_no_descriptor_and_no_zombie() {
    in_child("process_end::proc_04_a_hundred_children_leave_no_descriptor_and_no_zombie", || {
        run(async |event_loop| {
            let before = descriptors();
            for number in 0..100 {
                let child = shell(&event_loop, "echo x; exit 1").await;
                if number % 3 == 0 {
                    child.transport.close();
                }
                child.transport.wait_closed().await;
                assert!(!exists(child.transport.pid()));
                assert_eq!(descriptors(), before, "although the handle is still there");
            }
        });
    });
}

#[test]
fn proc_04_closing_the_loop_kills_and_reaps() {
    in_child("process_end::proc_04_closing_the_loop_kills_and_reaps", || {
        let before = descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let child = event_loop.run_until_complete(shell(&handle, "exec sleep 60")).unwrap();
        assert!(exists(child.transport.pid()));
        event_loop.close();
        assert!(!exists(child.transport.pid()));
        assert!(!child.transport.kill().unwrap(), "harmless");
        child.transport.close();
        assert_eq!(child.with(|diary| diary.told.clone()), ["made"], "nobody is told");
        drop((child, handle));
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn proc_05_a_child_that_cannot_be_watched_is_killed_and_reaped() {
    in_child("process_end::proc_05_a_child_that_cannot_be_watched_is_killed_and_reaped", || {
        let t0 = EventLoop::new().unwrap().handle().time();
        let mut event_loop = EventLoop::with_clock(Clock::Manual(t0)).unwrap();
        let handle = event_loop.handle();
        let before = descriptors();
        let opening = handle.subprocess_shell("exec sleep 60").open(Diary::new);
        event_loop.run_until_complete(opening).unwrap().unwrap_err();
        assert_eq!(descriptors(), before);
        assert!(has_no_children());
    });
}

#[test]
fn proc_05_no_descriptors_left_is_an_error_and_leaves_nothing() {
    const NAME: &str = "process_end::proc_05_no_descriptors_left_is_an_error_and_leaves_nothing";
    in_child_with_descriptors(64, NAME, || {
        run(async |event_loop| {
            let fill = || std::iter::from_fn(|| File::open("/dev/null").ok()).collect::<Vec<_>>();
            let mut failures = 0;
            // However many are left, it works or leaves all as it was.
            for free in 1.. {
                let mut held = fill();
                held.truncate(held.len() - free);
                match event_loop.subprocess_shell("exec sleep 60").open(Diary::new).await {
                    Ok(child) => {
                        child.transport.close();
                        child.transport.wait_closed().await;
                        break;
                    }
                    Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE)),
                }
                assert!(has_no_children());
                assert_eq!(fill().len(), free);
                failures += 1;
            }
            assert_eq!(failures, 5, "three pipes have six ends");
        });
    });
}

fn has_no_children() -> bool {
    matches!(waitpid(None, WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD))
}

/// The child runs already when there is no descriptor left to watch it with.
#[test]
fn proc_05_a_child_without_a_pidfd_is_killed_and_reaped() {
    const NAME: &str = "process_end::proc_05_a_child_without_a_pidfd_is_killed_and_reaped";
    in_child_with_descriptors(64, NAME, || {
        run(async |event_loop| {
            let creating = event_loop.subprocess_shell("exec sleep 60").stdin(ChildStdio::Inherit);
            let creating = creating.stdout(ChildStdio::Inherit).stderr(ChildStdio::Inherit);
            let held: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let error = creating.open(Diary::new).await.unwrap_err();
            drop(held);
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert!(has_no_children());
        });
    });
}

#[test]
fn proc_05_a_protocol_that_cannot_be_made_starts_no_child() {
    in_child("process_end::proc_05_a_protocol_that_cannot_be_made_starts_no_child", || {
        let mut event_loop = EventLoop::new().unwrap();
        let opening = event_loop.handle().subprocess_shell("exec sleep 60");
        let opening = opening.open(|| -> Diary { panic!("no protocol") });
        catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(opening))).unwrap_err();
        assert!(has_no_children());
    });
}

#[test]
fn proc_06_a_signal_to_a_child_that_has_ended_reaches_nobody() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exit 0").await;
        child.transport.wait_closed().await;
        assert!(!child.transport.kill().unwrap());
        assert!(!child.transport.terminate().unwrap());
        assert!(!child.transport.send_signal(1).unwrap());
        assert!(child.transport.send_signal(12345).is_err());
        assert_eq!(child.transport.returncode(), Some(0));
    });
}

#[test]
fn proc_06_a_signal_to_a_group_reaches_what_a_shell_has_started() {
    let status = run(async |event_loop| {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]).process_group(0);
        let child = event_loop.subprocess_exec(command).open(Diary::new).await.unwrap();
        until(&event_loop, || child.with(|diary| diary.output.ends_with(b"\n"))).await;
        assert!(child.transport.send_signal_to_group(15).unwrap());
        // The pipes end when the last process that has them ends.
        child.transport.wait_closed().await;
        assert!(!child.transport.send_signal_to_group(15).unwrap(), "it has exited");
        child.transport.returncode()
    });
    assert_eq!(status, Some(-15));
}

#[test]
fn proc_06_a_child_that_leads_no_group_is_not_reached_as_one() {
    run(async |event_loop| {
        let child = event_loop.subprocess_shell("sleep 600").open(Diary::new).await.unwrap();
        assert!(!child.transport.send_signal_to_group(15).unwrap());
        assert!(child.transport.send_signal_to_group(99).is_err());
        child.transport.close();
        child.transport.wait_closed().await;
        assert_eq!(child.transport.returncode(), Some(-9));
    });
}

#[test]
fn proc_07_a_status_that_someone_else_took_is_255_and_a_warning() {
    in_child("process_end::proc_07_a_status_that_someone_else_took_is_255_and_a_warning", || {
        start_logging();
        run(async |event_loop| {
            let child = shell(&event_loop, "exit 3").await;
            let pid = child.transport.pid();
            waitpid(Pid::from_raw(pid.try_into().unwrap()), WaitOptions::empty()).unwrap();
            assert!(!child.transport.kill().unwrap(), "the number may be someone else's by now");
            child.transport.wait_closed().await;
            assert_eq!(child.transport.returncode(), Some(255));
            let line = format!("WARN: Unknown child process pid {pid}, will report returncode 255");
            assert_eq!(take_logged(), [line]);
        });
    });
}

/// The loop sleeps until the pidfd wakes it: no SIGCHLD handler, no thread, no timer.
#[test]
fn proc_the_exit_wakes_a_loop_that_waits() {
    in_child("process_end::proc_the_exit_wakes_a_loop_that_waits", || {
        run(async |event_loop| {
            let child = shell(&event_loop, "exec >&- 2>&- <&-; sleep 0.1").await;
            until(&event_loop, || child.with(|diary| diary.told.len()) == 4).await;
            child.transport.wait().await.unwrap();
            assert!(child.with(|diary| diary.has("exited")));
            let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
            assert!(threads <= 2, "the test's own, and libtest's: {threads}");
        });
    });
}

#[test]
fn proc_without_handles_the_child_runs_on() {
    run(async |event_loop| {
        let directory = tempfile::tempdir().unwrap();
        let (gone, done) = (directory.path().join("gone"), directory.path().join("done"));
        let mut command = Command::new("sh");
        command.args(["-c", "until [ -e gone ]; do sleep 0.01; done; : >done"]);
        command.current_dir(directory.path());
        drop(event_loop.subprocess_exec(command).open(Diary::new).await.unwrap());
        turns(&event_loop, 2).await;
        std::fs::write(gone, "").unwrap();
        until(&event_loop, || done.exists()).await;
    });
}
