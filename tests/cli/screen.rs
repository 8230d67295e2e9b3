//! What a terminal shows: the layout at three widths, the live view, nothing left behind.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::exports::on_a_terminal;
use crate::support::{Dead, refusing, run};

/// What is on the screen in the end: lines, with the cursor's movements carried out.
fn screen(sent: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut chars = sent.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => (row, column) = (row + 1, 0),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                let mut arguments = String::new();
                while chars.peek().is_some_and(|c| c.is_ascii_digit() || ";?".contains(*c)) {
                    arguments.extend(chars.next());
                }
                let count = arguments.parse::<usize>().unwrap_or(1);
                match chars.next() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row += count,
                    Some('K') if arguments == "2" => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    Some('J') => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    _ => {}
                }
            }
            _ => {
                while lines.len() <= row {
                    lines.push(Vec::new());
                }
                while lines[row].len() <= column {
                    lines[row].push(' ');
                }
                lines[row][column] = c;
                column += 1;
            }
        }
        while lines.len() <= row {
            lines.push(Vec::new());
        }
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn the_live_view_moves_and_leaves_nothing_behind() {
    let dead = Dead::new("127.0.0.1");
    let target = dead.address.to_string();
    let Some(sent) = on_a_terminal(80, &format!("connect --timeout 700ms {target}")) else {
        return;
    };
    assert!(sent.matches("no answer yet").count() >= 3, "it moves: {sent:?}");
    let (_, after) = sent.split_once("failed after").expect("there is a report");
    assert!(!after.contains("no answer yet"), "nothing is redrawn below the report: {after:?}");
    let screen = screen(&sent);
    assert!(screen.iter().all(|line| !line.contains("no answer yet")), "{screen:#?}");
    assert!(screen.iter().any(|line| line.contains("failed after")), "{screen:#?}");
    assert_eq!(screen.iter().filter(|line| line.contains("timed out  ")).count(), 1, "{screen:#?}");
    let quiet =
        on_a_terminal(80, &format!("connect --no-progress --timeout 300ms {target}")).unwrap();
    assert!(!quiet.contains("no answer yet"));
}

#[test]
fn several_targets_have_a_row_each_while_they_are_under_way() {
    let dead = Dead::new("127.0.0.1");
    let target = dead.address.to_string();
    let targets = [target.as_str(); 20].join(" ");
    let arguments = format!("connect --concurrency 20 --timeout 600ms {targets}");
    let Some(sent) = on_a_terminal(80, &arguments) else { return };
    let sum = "0 done, 20 under way, 0 waiting";
    let (first_frame, _) = sent.split_once(sum).unwrap_or_else(|| panic!("{sent:?}"));
    let rows = screen(first_frame).iter().filter(|row| row.ends_with("no answer yet")).count();
    assert_eq!(rows, 20, "{first_frame:?}");
    assert!(screen(&sent).iter().all(|line| !line.contains("under way")));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let port = refusing("127.0.0.1").port();
    let pins = "2001:db8:1111:2222:3333:4444:5555:6666,127.0.0.1";
    for columns in [40, 80, 120] {
        let arguments = format!("connect --resolve h.test:{pins} --timeout 300ms h.test:{port}");
        let Some(sent) = on_a_terminal(columns, &arguments) else { return };
        let screen = screen(&sent);
        let table: Vec<_> =
            screen.iter().skip(1).take_while(|line| !line.starts_with("error:")).collect();
        let widest = table.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(table.len() > 3, "{screen:#?}");
        // An address does not get shorter than it is; everything else keeps within the columns.
        let longest_address = format!("  1  [2001:db8:1111:2222:3333:4444:5555:6666]:{port}").len();
        assert!(widest <= columns.max(longest_address), "{columns}: {widest}\n{table:#?}");
        let has_bars = screen.iter().any(|line| line.contains('▕'));
        assert_eq!(has_bars, columns >= 120, "beside such an address, {columns} columns");
    }
}

/// What a terminal shows of a server with two clients, one of which stays for a second.
fn serve_on_a_terminal(columns: usize) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("port");
    let arguments = format!("serve 127.0.0.1:0 -n 2 --port-file {}", file.display());
    let server = thread::spawn(move || on_a_terminal(columns, &arguments));
    let port = loop {
        if let Ok(port) = std::fs::read_to_string(&file) {
            break port.trim().parse::<u16>().unwrap();
        }
        if server.is_finished() {
            return server.join().unwrap();
        }
        thread::yield_now();
    };
    let stays = TcpStream::connect(("127.0.0.1", port)).unwrap();
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    thread::sleep(Duration::from_millis(1100));
    drop(stays);
    server.join().unwrap()
}

#[test]
fn a_server_tells_how_it_is_doing_and_leaves_lines_that_fit() {
    for columns in [40, 80] {
        let Some(sent) = serve_on_a_terminal(columns) else { return };
        assert!(sent.matches("1 open  2 accepted").count() >= 1, "{sent:?}");
        let screen = screen(&sent);
        assert!(screen.iter().all(|line| !line.contains(" open ")), "{screen:#?}");
        let widest = screen.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{columns}: {screen:#?}");
        assert_eq!(screen.iter().filter(|line| line.contains("127.0.0.1:")).count(), 3);
        assert!(screen.iter().any(|line| line.starts_with("  eof") && line.contains("0 B  0 B")));
    }
}

/// Shows a file on its way to a receiver that reads it, with more arguments.
fn sendfile_on_a_terminal(columns: usize, more: &str, then: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a-file-with-a-long-name.bin");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let reading = thread::spawn(move || {
        std::io::copy(&mut listener.accept().unwrap().0, &mut std::io::sink()).unwrap()
    });
    let arguments = format!("sendfile --rate 100kB/s {more} {} {to}{then}", file.display());
    let sent = on_a_terminal(columns, &arguments)?;
    assert_eq!(reading.join().unwrap(), 100_000);
    Some(sent)
}

#[test]
fn a_bar_keeps_its_figures_and_leaves_nothing_behind() {
    for columns in [40, 80, 200] {
        let Some(sent) = sendfile_on_a_terminal(columns, "", "") else { return };
        assert!(sent.matches(" eta 0:0").count() >= 3, "{columns}: {sent:?}");
        let widest = sent.split(['\r', '\n', '\u{1b}']).filter(|row| row.contains(" eta "));
        let widest = widest.map(|row| row.trim_end().chars().count()).max().unwrap();
        assert!(widest < columns, "{columns}: {widest}");
        assert_eq!(columns == 200, sent.contains('━'), "a bar, where there is room for it");
        let screen = screen(&sent);
        assert!(screen.iter().all(|line| !line.contains(" eta ")), "{screen:#?}");
        let last = screen.iter().position(|line| line.starts_with("sent 100.0 kB in ")).unwrap();
        let lines: Vec<_> = screen[last..].iter().map(|line| line.trim()).collect();
        let lines = lines.join(" ");
        assert!(lines.contains(" by sendfile, ") && lines.contains(" retransmit"), "{screen:#?}");
        assert!(screen[last..].iter().all(|line| line.chars().count() <= columns), "{screen:#?}");
    }
    let quiet = sendfile_on_a_terminal(80, "--no-progress", "").unwrap();
    assert!(!quiet.contains(" eta "), "{quiet:?}");
}

#[test]
fn what_is_told_meanwhile_stands_above_the_bar() {
    let then = " & sleep 0.4; kill -QUIT $!; sleep 0.1; stty cols 30; wait";
    let Some(sent) = sendfile_on_a_terminal(80, "", then) else { return };
    let screen = screen(&sent);
    let told = |line: &&String| line.starts_with("sent ") && line.ends_with(" so far");
    assert_eq!(screen.iter().filter(told).count(), 1, "{screen:#?}");
    assert!(screen.iter().all(|line| !line.contains(" eta ")), "{screen:#?}");
    // It was made narrower meanwhile.
    let (_, narrow) = sent.split_once(" so far").unwrap();
    let rows = narrow.split(['\r', '\n', '\u{1b}']).filter(|row| row.contains(" eta "));
    let widths: Vec<_> = rows.map(|row| row.trim_end().chars().count()).collect();
    assert!(widths.last().unwrap() < &30, "{widths:?}");
}

#[test]
fn a_pipe_gets_no_bars_and_no_movement() {
    let dead = Dead::new("127.0.0.1");
    let ran = run(&["connect", "--timeout", "300ms", &dead.address.to_string()]);
    assert!(!ran.stdout.contains('▕'), "{}", ran.stdout);
    assert!(
        !ran.stderr.contains("no answer yet") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
}
