//! Pages: files of `--report`, `loopctl report`, and their layout in a real browser.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::{has_program, loopctl, refusing, run};

fn kept(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_page_is_written_beside_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let target = format!("h.test:{}", refusing("127.0.0.1").port());
    let pins = ["connect", "--resolve", "h.test:127.0.0.1,127.0.0.2", &target];
    for (name, begin) in [("a.html", "<!DOCTYPE html>"), ("a.SVG", "<svg xmlns=")] {
        let path = dir.path().join(name);
        let ran = run(&[&pins[..], &["--report", path.to_str().unwrap()]].concat());
        assert_eq!(ran.code, Some(7));
        assert!(ran.stdout.contains("refused"), "the report stays: {}", ran.stdout);
        let page = kept(&path);
        assert!(page.starts_with(begin) && page.contains("127.0.0.2"), "{page}");
    }
    let path = dir.path().join("series.html");
    let file = path.to_str().unwrap();
    let ran = run(&[&pins[..], &["-c3", "-i1ms", "--json", "--report", file]].concat());
    assert_eq!(ran.json()["tries"], 3, "a machine format stays, too");
    assert!(kept(&path).contains("0 of 3 tries connected"));
    let ran = run(&["resolve", "127.0.0.1.invalid", "--via", "system", "-q", "--report", file]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(6), ""));
    assert!(kept(&path).contains("loopctl resolve"));
}

#[test]
fn report_shows_documents_of_files_and_of_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let (json, html) = (dir.path().join("run.json"), dir.path().join("run.html"));
    let target = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--json", &target, &target]);
    std::fs::write(&json, &ran.stdout).unwrap();
    let (json, html) = (json.to_str().unwrap(), html.to_str().unwrap());
    let text = run(&["report", json]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""));
    assert_eq!(text.stdout.matches("loopctl connect").count(), 2, "{}", text.stdout);
    assert_eq!(run(&["report", json, "-o", html]).code, Some(0));
    assert!(kept(Path::new(html)).starts_with("<!DOCTYPE html>"));
    assert!(run(&["report", json, "--format", "svg"]).stdout.starts_with("<svg"));
    let mut child = loopctl()
        .args(["report", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let series = run(&["connect", "--ndjson", "-c2", "-i1ms", &target]).stdout;
    child.stdin.take().unwrap().write_all(series.as_bytes()).unwrap();
    let shown = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(shown.contains("0 of 2 tries connected"), "{shown}");
    assert!(shown.contains("failed, failed"), "the tries are those of the stream: {shown}");
}

/// A document of a path, which no golden has.
#[test]
fn paths_have_a_page() {
    let ran = run(&["connect", "--path", "--json", &refusing("127.0.0.1").to_string()]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("path.json");
    std::fs::write(&path, &ran.stdout).unwrap();
    let shown = run(&["report", path.to_str().unwrap()]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(shown.stdout.contains("Path to 127.0.0.1:"), "{}", shown.stdout);
}

#[test]
fn files_that_are_no_documents_are_26_and_wrong_flags_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.json");
    std::fs::write(&path, "{\"schema\":\"other.v1\"}").unwrap();
    let file = path.to_str().unwrap();
    let ran = run(&["report", file]);
    assert_eq!(ran.code, Some(26));
    assert!(ran.stderr.contains("its schema `other.v1` is not one of"), "{}", ran.stderr);
    assert_eq!(run(&["report", "/no/such/file"]).code, Some(26));
    assert_eq!(run(&["report", file, "--format", "pdf"]).code, Some(2));
    assert_eq!(run(&["report", file, "--json"]).code, Some(2));
    let address = refusing("127.0.0.1").to_string();
    assert_eq!(run(&["connect", "--report", "/no/such/dir/a.html", &address]).code, Some(23));
}

/// Chromium, spoken to over two pipes (Chrome DevTools Protocol).
struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Value,
    sent: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Because the protocol is on the descriptors 3 and 4.
        let script = "exec timeout -k 5 180 chromium --headless --no-sandbox --disable-gpu \
                      --disable-dev-shm-usage --hide-scrollbars --no-first-run \
                      --disable-background-networking --remote-debugging-pipe \
                      --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            input,
            output: BufReader::new(output),
            session: Value::Null,
            sent: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let to = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", to)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if self.session.is_string() {
            message["sessionId"] = self.session.clone();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&mut self) -> Value {
        let mut message = Vec::new();
        self.output.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&message).unwrap()
    }

    fn load(&mut self, page: &Path, width: u32, scheme: &str) {
        self.events.clear();
        let metrics =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
        let url = format!("file://{}", page.display());
        self.call("Page.navigate", json!({ "url": url }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next();
            self.events.push(event);
        }
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", params)["result"]["value"].clone()
    }

    fn events(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).collect()
    }

    fn screenshot(&mut self, to: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
        });
        let params = json!({ "captureBeyondViewport": true, "clip": clip });
        let image = self.call("Page.captureScreenshot", params);
        let bytes = BASE64.decode(image["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// First JSON section of a golden.
fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = kept(&path);
    let section = text
        .split("==== ")
        .find(|section| section.split('\n').next().is_some_and(|title| title.ends_with("json")));
    section.unwrap().split_once('\n').unwrap().1.to_owned()
}

/// Page of a golden, and a place for its screenshots in the target folder.
fn page_of(name: &str, ending: &str) -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    let short = name.rsplit('/').next().unwrap().trim_end_matches(".txt");
    let (json, page) =
        (folder.join(format!("{short}.json")), folder.join(format!("{short}.{ending}")));
    std::fs::write(&json, golden(name)).unwrap();
    let ran = run(&["report", json.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    (page, folder.join(short))
}

const PAGES: [&str; 7] = [
    "connect/won-fallback.txt",
    "connect/tls-expired.txt",
    "connect/repeat.txt",
    "connect/compare-live.txt",
    "resolve/found.txt",
    "sendfile/whole.txt",
    "connect/lost-everywhere.txt",
];

#[test]
fn pages_fit_a_phone_and_a_desktop_and_load_nothing() {
    if !has_program("chromium") {
        return;
    }
    let mut browser = Browser::start();
    for name in PAGES {
        let (page, place) = page_of(name, "html");
        for (width, scheme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
            browser.load(&page, width, scheme);
            let all = browser.evaluate("document.documentElement.scrollWidth");
            assert_eq!(all, json!(width), "{name}: no horizontal scroll at {width} px");
            let wide = "[...document.querySelectorAll('main *:not(title)')].filter(it => \
                        it.getBoundingClientRect().right > innerWidth + 1).map(it => it.outerHTML)";
            assert_eq!(browser.evaluate(wide), json!([]), "{name} at {width} px");
            let small = "[...document.querySelectorAll('main *')].filter(it => it.textContent && \
                         parseFloat(getComputedStyle(it).fontSize) < 11).length";
            assert_eq!(browser.evaluate(small), json!(0), "{name}: no text below 11 px");
            let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor");
            let is_light = ground == "rgb(255, 255, 255)";
            assert_eq!(is_light, scheme == "light", "{name}: {ground}");
            assert_eq!(browser.events("Network.requestWillBeSent").len(), 1, "the page alone");
            for method in ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"]
            {
                assert!(browser.events(method).is_empty(), "{:?}", browser.events(method));
            }
            browser.screenshot(&place.with_extension(format!("{width}-{scheme}.png")));
        }
        let (image, _) = page_of(name, "svg");
        browser.load(&image, 1280, "light");
        assert_eq!(browser.evaluate("document.documentElement.tagName"), "svg", "{name}");
        assert!(browser.events("Log.entryAdded").is_empty());
        browser.screenshot(&place.with_extension("svg.png"));
    }
}

/// A name and a certificate of an attacker: nothing of them runs, and nothing is loaded.
#[test]
fn a_hostile_page_runs_nothing_in_a_browser() {
    if !has_program("chromium") {
        return;
    }
    let hostile = "</script></title></style><script>document.title='ran'</script>\
                   <img src=http://127.0.0.1:1/x onerror=\"document.title='ran'\">\u{202e}";
    let mut document: Value = serde_json::from_str(&golden("connect/tls-expired.txt")).unwrap();
    for place in ["/target", "/host", "/tls/alpn", "/tls/chain/0/subject", "/hint"] {
        *document.pointer_mut(place).unwrap() = hostile.into();
    }
    let dir = tempfile::tempdir().unwrap();
    let (json, page) = (dir.path().join("a.json"), dir.path().join("a.html"));
    std::fs::write(&json, document.to_string()).unwrap();
    let ran = run(&["report", json.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut browser = Browser::start();
    browser.load(&page, 360, "light");
    let title = browser.evaluate("document.title");
    assert!(title.as_str().unwrap().starts_with("</script>"), "{title}");
    assert_eq!(browser.evaluate("document.images.length"), json!(0));
    assert_eq!(browser.evaluate("document.scripts.length"), json!(1));
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), json!(360));
    assert_eq!(browser.events("Network.requestWillBeSent").len(), 1);
    let inside = "JSON.parse(document.getElementById('document').textContent).target";
    assert_eq!(browser.evaluate(inside), json!(hostile), "the document has it as it was");
}
