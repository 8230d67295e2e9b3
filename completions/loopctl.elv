
use builtin;
use str;

set edit:completion:arg-completer[loopctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'loopctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'loopctl'= {
            cand --color 'When to use colours'
            cand --slow-callback 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)'
            cand --timeout 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds'
            cand -4 'Only IPv4'
            cand --ipv4 'Only IPv4'
            cand -6 'Only IPv6'
            cand --ipv6 'Only IPv6'
            cand --json 'One JSON document at the end; an array of them for several targets'
            cand --ndjson 'One JSON record a line: every event as it happens, then the document'
            cand -v 'Tell attempts as they happen; twice: also what the event loop does'
            cand --verbose 'Tell attempts as they happen; twice: also what the event loop does'
            cand -q 'Print nothing; the exit status tells'
            cand --quiet 'Print nothing; the exit status tells'
            cand --debug 'Turn on the event loop''s debug mode, and report slow callbacks after the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand connect 'Connect to each TARGET, racing its addresses; report every attempt'
            cand demo 'Race a scripted dual-stack host on loopback; needs no network'
            cand completions 'Print the completions of a shell'
            cand __generate 'Write the completions of every shell and the man pages'
        }
        &'loopctl;connect'= {
            cand --happy-eyeballs 'The Connection Attempt Delay, on by default; `off`: one address after another'
            cand --interleave 'The First Address Family Count; 0 keeps the resolver''s order [default: 1, with `off` 0]'
            cand --max-parallel 'At most this many attempts at a time'
            cand --attempt-timeout 'Time for one attempt [default: as long as the kernel tries]'
            cand --prefer 'Try the addresses of this family first'
            cand --resolve 'Use these addresses for a host instead of asking the resolver; curl''s HOST:PORT:ADDR works too'
            cand -s 'Connect from this address; give one of each family to cover both'
            cand --source 'Connect from this address; give one of each family to cover both'
            cand --color 'When to use colours'
            cand --slow-callback 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)'
            cand --timeout 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds'
            cand --all 'Let every attempt finish: probe every address'
            cand -4 'Only IPv4'
            cand --ipv4 'Only IPv4'
            cand -6 'Only IPv6'
            cand --ipv6 'Only IPv6'
            cand --json 'One JSON document at the end; an array of them for several targets'
            cand --ndjson 'One JSON record a line: every event as it happens, then the document'
            cand -v 'Tell attempts as they happen; twice: also what the event loop does'
            cand --verbose 'Tell attempts as they happen; twice: also what the event loop does'
            cand -q 'Print nothing; the exit status tells'
            cand --quiet 'Print nothing; the exit status tells'
            cand --debug 'Turn on the event loop''s debug mode, and report slow callbacks after the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'loopctl;demo'= {
            cand --happy-eyeballs 'The Connection Attempt Delay, on by default; `off`: one address after another'
            cand --interleave 'The First Address Family Count; 0 keeps the resolver''s order [default: 1, with `off` 0]'
            cand --max-parallel 'At most this many attempts at a time'
            cand --attempt-timeout 'Time for one attempt [default: as long as the kernel tries]'
            cand --prefer 'Try the addresses of this family first'
            cand --color 'When to use colours'
            cand --slow-callback 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)'
            cand --timeout 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds'
            cand --all 'Let every attempt finish: probe every address'
            cand -4 'Only IPv4'
            cand --ipv4 'Only IPv4'
            cand -6 'Only IPv6'
            cand --ipv6 'Only IPv6'
            cand --json 'One JSON document at the end; an array of them for several targets'
            cand --ndjson 'One JSON record a line: every event as it happens, then the document'
            cand -v 'Tell attempts as they happen; twice: also what the event loop does'
            cand --verbose 'Tell attempts as they happen; twice: also what the event loop does'
            cand -q 'Print nothing; the exit status tells'
            cand --quiet 'Print nothing; the exit status tells'
            cand --debug 'Turn on the event loop''s debug mode, and report slow callbacks after the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'loopctl;completions'= {
            cand --color 'When to use colours'
            cand --slow-callback 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)'
            cand --timeout 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds'
            cand -4 'Only IPv4'
            cand --ipv4 'Only IPv4'
            cand -6 'Only IPv6'
            cand --ipv6 'Only IPv6'
            cand --json 'One JSON document at the end; an array of them for several targets'
            cand --ndjson 'One JSON record a line: every event as it happens, then the document'
            cand -v 'Tell attempts as they happen; twice: also what the event loop does'
            cand --verbose 'Tell attempts as they happen; twice: also what the event loop does'
            cand -q 'Print nothing; the exit status tells'
            cand --quiet 'Print nothing; the exit status tells'
            cand --debug 'Turn on the event loop''s debug mode, and report slow callbacks after the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'loopctl;__generate'= {
            cand --color 'When to use colours'
            cand --slow-callback 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)'
            cand --timeout 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds'
            cand -4 'Only IPv4'
            cand --ipv4 'Only IPv4'
            cand -6 'Only IPv6'
            cand --ipv6 'Only IPv6'
            cand --json 'One JSON document at the end; an array of them for several targets'
            cand --ndjson 'One JSON record a line: every event as it happens, then the document'
            cand -v 'Tell attempts as they happen; twice: also what the event loop does'
            cand --verbose 'Tell attempts as they happen; twice: also what the event loop does'
            cand -q 'Print nothing; the exit status tells'
            cand --quiet 'Print nothing; the exit status tells'
            cand --debug 'Turn on the event loop''s debug mode, and report slow callbacks after the result'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
