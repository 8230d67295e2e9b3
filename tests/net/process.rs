//! `subprocess_exec` and `subprocess_shell`: what runs, what it says, in which order.

use std::io::{self, ErrorKind};
use std::process::{Command, ExitStatus};

use loopctl::{
    ChildPipe, ChildStdio, Endpoint, LoopHandle, SubprocessProtocol, SubprocessTransport,
};

use crate::support::{Reports, in_child, pattern, run, start_logging, take_logged, until};

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    pub(crate) told: Vec<String>,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.told.iter().any(|told| told == what)
    }
}

impl SubprocessProtocol for Diary {
    fn connection_made(&mut self, _: &SubprocessTransport) {
        self.told.push("made".to_owned());
    }

    fn pipe_data_received(&mut self, _: &SubprocessTransport, pipe: ChildPipe, data: &[u8]) {
        match pipe {
            ChildPipe::Stderr => self.errors.extend(data),
            _ => self.output.extend(data),
        }
        let told = format!("{pipe:?} data");
        if self.told.last() != Some(&told) {
            self.told.push(told);
        }
    }

    fn pipe_connection_lost(
        &mut self,
        _: &SubprocessTransport,
        pipe: ChildPipe,
        error: Option<io::Error>,
    ) {
        self.told.push(format!("{pipe:?} lost {:?}", error.map(|error| error.kind())));
    }

    fn pause_writing(&mut self, _: &SubprocessTransport) {
        self.told.push("pause".to_owned());
    }

    fn resume_writing(&mut self, _: &SubprocessTransport) {
        self.told.push("resume".to_owned());
    }

    fn process_exited(&mut self, transport: &SubprocessTransport, status: ExitStatus) {
        assert_eq!(transport.status(), Some(status));
        self.told.push("exited".to_owned());
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.told.push(format!("lost {:?}", error.map(|error| error.kind())));
    }
}

pub(crate) async fn shell(
    event_loop: &LoopHandle,
    line: &str,
) -> Endpoint<SubprocessTransport, Diary> {
    event_loop.subprocess_shell(line).open(Diary::new).await.unwrap()
}

#[test]
fn proc_01_output_errors_and_exit_code() {
    run(async |event_loop| {
        let child = shell(&event_loop, "printf out; printf err >&2; exit 7").await;
        child.transport.wait_closed().await;
        assert_eq!(child.with(|diary| diary.output.clone()), b"out");
        assert_eq!(child.with(|diary| diary.errors.clone()), b"err");
        assert_eq!(child.transport.returncode(), Some(7));
        assert_eq!(child.transport.status().unwrap().code(), Some(7));
    });
}

#[test]
fn proc_01_exec_passes_arguments_environment_and_directory() {
    run(async |event_loop| {
        let mut command = Command::new("sh");
        command.args(["-c", "echo \"$1 $WHO $(pwd)\"", "sh", "a b"]).env("WHO", "me");
        command.current_dir("/");
        let child = event_loop.subprocess_exec(command).open(Diary::new).await.unwrap();
        child.transport.wait_closed().await;
        assert_eq!(child.with(|diary| diary.output.clone()), b"a b me /\n");
    });
}

#[test]
fn proc_01_a_program_that_is_not_there_is_an_error() {
    run(async |event_loop| {
        let command = Command::new("/no/such/program");
        let error = event_loop.subprocess_exec(command).open(Diary::new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn proc_01_a_killed_child_has_the_negative_signal_as_its_code() {
    run(async |event_loop| {
        for (signal, code) in [(15, -15), (9, -9), (10, -10)] {
            let child = shell(&event_loop, "exec sleep 60").await;
            assert_eq!(child.transport.returncode(), None);
            assert!(child.transport.send_signal(signal).unwrap());
            child.transport.wait_closed().await;
            assert_eq!(child.transport.returncode(), Some(code));
        }
    });
}

/// More than any pipe holds, both ways at once.
#[test]
fn proc_01_a_megabyte_through_a_child() {
    let sent = pattern(1 << 20);
    run(async |event_loop| {
        let child = event_loop.subprocess_exec(Command::new("cat")).open(Diary::new).await.unwrap();
        let stdin = child.transport.stdin().unwrap();
        stdin.write(&sent);
        stdin.close();
        child.transport.wait_closed().await;
        assert!(child.with(|diary| diary.output == sent));
        assert_eq!(child.transport.returncode(), Some(0));
        assert!(child.with(|diary| diary.has("pause") && diary.has("resume")));
    });
}

#[test]
fn proc_01_standard_streams_may_be_other_things() {
    run(async |event_loop| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let output = file.reopen().unwrap();
        let creating = event_loop.subprocess_shell("cat; echo to the file").stdin(ChildStdio::Null);
        let creating = creating.stdout(ChildStdio::File(output.into())).stderr(ChildStdio::Inherit);
        let child = creating.open(Diary::new).await.unwrap();
        let transport = &child.transport;
        assert!(transport.stdin().is_none() && transport.stdout().is_none());
        transport.wait_closed().await;
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "to the file\n");
        assert_eq!(child.with(|diary| diary.told.clone()), ["made", "exited", "lost None"]);
    });
}

#[test]
fn proc_01_standard_error_may_go_where_standard_output_goes() {
    run(async |event_loop| {
        let creating = event_loop.subprocess_shell("echo one; echo two >&2; echo three");
        let child = creating.stderr_to_stdout().open(Diary::new).await.unwrap();
        assert!(child.transport.stderr().is_none());
        child.transport.wait_closed().await;
        assert_eq!(child.with(|diary| diary.output.clone()), b"one\ntwo\nthree\n");
    });
}

#[test]
fn proc_03_made_comes_first_and_lost_last() {
    run(async |event_loop| {
        let child = shell(&event_loop, "echo x").await;
        child.transport.wait_closed().await;
        let told = child.with(|diary| diary.told.clone());
        assert_eq!(told.first().unwrap(), "made");
        assert_eq!(told.last().unwrap(), "lost None");
        for once in ["exited", "Stdin lost None", "Stdout lost None", "Stderr lost None"] {
            assert_eq!(told.iter().filter(|it| *it == once).count(), 1, "{told:?}");
        }
        let at = |what: &str| told.iter().position(|it| it == what);
        assert!(at("Stdout data") < at("Stdout lost None"), "{told:?}");
    });
}

/// A grandchild keeps the pipe open: the exit is told at once, the end when the last of it is there.
#[test]
fn proc_03_the_end_waits_for_the_exit_and_for_every_pipe() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exec 3<&0; (read line <&3; echo $line) & exit 0").await;
        child.transport.wait().await.unwrap();
        assert!(child.with(|diary| diary.has("exited")));
        assert!(child.with(|diary| !diary.has("lost None")), "output is still open");
        child.transport.stdin().unwrap().write(b"from the grandchild\n");
        child.transport.wait_closed().await;
        assert_eq!(child.with(|diary| diary.output.clone()), b"from the grandchild\n");
    });
}

#[test]
fn proc_03_pipes_that_close_first_are_no_exit() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exec >&- 2>&-; read line; exit 4").await;
        let closed =
            |diary: &mut Diary| diary.has("Stdout lost None") && diary.has("Stderr lost None");
        until(&event_loop, || child.with(closed)).await;
        assert!(child.with(|diary| !diary.has("exited")));
        child.transport.stdin().unwrap().write(b"\n");
        child.transport.wait_closed().await;
        assert_eq!(child.transport.returncode(), Some(4));
    });
}

#[test]
fn proc_08_a_child_that_does_not_read_breaks_its_pipe() {
    run(async |event_loop| {
        let child = shell(&event_loop, "exec <&-; echo closed; read line").await;
        let stdin = child.transport.stdin().unwrap();
        stdin.write(&vec![0; 1 << 20]);
        let error = stdin.drain().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        child.transport.wait_closed().await;
        assert!(child.with(|diary| diary.has("Stdin lost Some(BrokenPipe)")));
    });
}

#[test]
fn proc_a_protocol_that_panics_is_reported_and_the_child_lives() {
    struct Fragile;
    impl SubprocessProtocol for Fragile {
        fn pipe_data_received(&mut self, _: &SubprocessTransport, _: ChildPipe, _: &[u8]) {
            panic!("not today");
        }
    }
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let child = event_loop.subprocess_shell("echo x; exit 3").open(|| Fragile).await.unwrap();
        child.transport.wait_closed().await;
        assert_eq!(child.transport.returncode(), Some(3));
        let texts = reports.texts();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].starts_with("protocol.pipe_data_received() call failed."), "{texts:?}");
    });
}

#[test]
fn dbg_14_arguments_are_not_logged() {
    in_child("process::dbg_14_arguments_are_not_logged", || {
        start_logging();
        run(async |event_loop| {
            let mut command = Command::new("true");
            command.arg("--password=secret").env("TOKEN", "secret");
            let quiet =
                event_loop.subprocess_exec(Command::new("true")).open(Diary::new).await.unwrap();
            quiet.transport.wait_closed().await;
            assert_eq!(take_logged(), [""; 0], "only in debug mode");
            event_loop.set_debug(true);
            let creating = event_loop.subprocess_exec(command).stdin(ChildStdio::Inherit);
            let child = creating.stderr_to_stdout().open(Diary::new).await.unwrap();
            child.transport.wait_closed().await;
            let logged = take_logged();
            let pid = child.transport.pid();
            for line in [
                "DEBUG: execute program 'true' stdout=stderr=<pipe>".to_owned(),
                format!("INFO: execute program 'true': <SubprocessTransport pid={pid} running>"),
            ] {
                assert!(logged.contains(&line), "{logged:?}");
            }
            assert!(!logged.concat().contains("secret"), "{logged:?}");
            let child = event_loop.subprocess_shell("exit 1").open(Diary::new).await.unwrap();
            child.transport.wait_closed().await;
            let line = "DEBUG: run shell command 'exit 1' stdin=<pipe> stdout=<pipe> stderr=<pipe>";
            assert!(take_logged().contains(&line.to_owned()));
        });
    });
}
