
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'loopctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'loopctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'loopctl' {
            [CompletionResult]::new('--qlog', '--qlog', [CompletionResultType]::ParameterName, 'Write every event to FILE, as qlog (JSON text sequences)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--slow-callback', '--slow-callback', [CompletionResultType]::ParameterName, 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON document at the end; an array of them for several targets')
            [CompletionResult]::new('--ndjson', '--ndjson', [CompletionResultType]::ParameterName, 'One JSON record a line: every event as it happens, then the document')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Show no live view')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Turn on the event loop''s debug mode, and report slow callbacks after the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('connect', 'connect', [CompletionResultType]::ParameterValue, 'Connect to each TARGET, racing its addresses; report every attempt')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Race a scripted dual-stack host on loopback; needs no network')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('__generate', '__generate', [CompletionResultType]::ParameterValue, 'Write the completions of every shell and the man pages')
            break
        }
        'loopctl;connect' {
            [CompletionResult]::new('--targets', '--targets', [CompletionResultType]::ParameterName, 'Read targets from FILE, one a line, `#` begins a comment; `-` is standard input')
            [CompletionResult]::new('--concurrency', '--concurrency', [CompletionResultType]::ParameterName, 'At most this many targets at a time')
            [CompletionResult]::new('--happy-eyeballs', '--happy-eyeballs', [CompletionResultType]::ParameterName, 'The Connection Attempt Delay, on by default; `off`: one address after another')
            [CompletionResult]::new('--interleave', '--interleave', [CompletionResultType]::ParameterName, 'The First Address Family Count; 0 keeps the resolver''s order [default: 1, with `off` 0]')
            [CompletionResult]::new('--max-parallel', '--max-parallel', [CompletionResultType]::ParameterName, 'At most this many attempts at a time')
            [CompletionResult]::new('--attempt-timeout', '--attempt-timeout', [CompletionResultType]::ParameterName, 'Time for one attempt [default: as long as the kernel tries; with --udp 200ms]')
            [CompletionResult]::new('--prefer', '--prefer', [CompletionResultType]::ParameterName, 'Try the addresses of this family first')
            [CompletionResult]::new('--resolve', '--resolve', [CompletionResultType]::ParameterName, 'Use these addresses for a host instead of asking the resolver; curl''s HOST:PORT:ADDR works too')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'Connect from this address; give one of each family to cover both')
            [CompletionResult]::new('--source', '--source', [CompletionResultType]::ParameterName, 'Connect from this address; give one of each family to cover both')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Connect through this network interface')
            [CompletionResult]::new('--interface', '--interface', [CompletionResultType]::ParameterName, 'Connect through this network interface')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'How many routers a packet may pass')
            [CompletionResult]::new('--dscp', '--dscp', [CompletionResultType]::ParameterName, 'Differentiated Services Code Point')
            [CompletionResult]::new('--mark', '--mark', [CompletionResultType]::ParameterName, 'Mark for this host''s routing and firewall rules')
            [CompletionResult]::new('--keepalive', '--keepalive', [CompletionResultType]::ParameterName, 'Test silent connections: after IDLE, every INTVL, CNT times (2h, 75s and 9 unless given)')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'End a relay when nothing has come or gone for this long')
            [CompletionResult]::new('--require', '--require', [CompletionResultType]::ParameterName, 'The connection must be over this family')
            [CompletionResult]::new('--max-cost', '--max-cost', [CompletionResultType]::ParameterName, 'Waiting for addresses that did not win must cost no more than this')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Connect N times; with --interval alone, until interrupted')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'Connect N times; with --interval alone, until interrupted')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Time from one start to the next [default: 1s]')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Time from one start to the next [default: 1s]')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Try until it connects, at most this long [60s where no time is given]')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Try until it connects, at most this long [60s where no time is given]')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write the report to FILE instead of standard output (with --relay: standard error)')
            [CompletionResult]::new('--qlog', '--qlog', [CompletionResultType]::ParameterName, 'Write every event to FILE, as qlog (JSON text sequences)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--slow-callback', '--slow-callback', [CompletionResultType]::ParameterName, 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Let every attempt finish: probe every address')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'Datagrams instead of connections: which addresses answer an empty one, stay silent, or refuse it?')
            [CompletionResult]::new('--udp', '--udp', [CompletionResultType]::ParameterName, 'Datagrams instead of connections: which addresses answer an empty one, stay silent, or refuse it?')
            [CompletionResult]::new('--mptcp', '--mptcp', [CompletionResultType]::ParameterName, 'Multipath TCP; a plain socket where the kernel has none')
            [CompletionResult]::new('--tfo', '--tfo', [CompletionResultType]::ParameterName, 'TCP Fast Open: uses a cookie of the server''s, or asks for one')
            [CompletionResult]::new('--nodelay', '--nodelay', [CompletionResultType]::ParameterName, 'Send small writes at once')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Relay standard input to the connection, and what comes back to standard output; the report goes to standard error')
            [CompletionResult]::new('--relay', '--relay', [CompletionResultType]::ParameterName, 'Relay standard input to the connection, and what comes back to standard output; the report goes to standard error')
            [CompletionResult]::new('--fail-on-fallback', '--fail-on-fallback', [CompletionResultType]::ParameterName, 'The first address must win')
            [CompletionResult]::new('--fresh-dns', '--fresh-dns', [CompletionResultType]::ParameterName, 'Resolve the name anew every time, and tell when its addresses change')
            [CompletionResult]::new('--histogram', '--histogram', [CompletionResultType]::ParameterName, 'Show how the times are distributed')
            [CompletionResult]::new('--csv', '--csv', [CompletionResultType]::ParameterName, 'One attempt a line, comma-separated, with a header')
            [CompletionResult]::new('--plain', '--plain', [CompletionResultType]::ParameterName, 'One attempt a line, tab-separated, without a header')
            [CompletionResult]::new('--prom', '--prom', [CompletionResultType]::ParameterName, 'Metrics for Prometheus'' textfile collector')
            [CompletionResult]::new('--tcp-info', '--tcp-info', [CompletionResultType]::ParameterName, 'Show more of what the kernel knows of the connection')
            [CompletionResult]::new('-D', '-D ', [CompletionResultType]::ParameterName, 'Begin lines with the time, in seconds since 1970')
            [CompletionResult]::new('--timestamps', '--timestamps', [CompletionResultType]::ParameterName, 'Begin lines with the time, in seconds since 1970')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON document at the end; an array of them for several targets')
            [CompletionResult]::new('--ndjson', '--ndjson', [CompletionResultType]::ParameterName, 'One JSON record a line: every event as it happens, then the document')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Show no live view')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Turn on the event loop''s debug mode, and report slow callbacks after the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'loopctl;demo' {
            [CompletionResult]::new('--happy-eyeballs', '--happy-eyeballs', [CompletionResultType]::ParameterName, 'The Connection Attempt Delay, on by default; `off`: one address after another')
            [CompletionResult]::new('--interleave', '--interleave', [CompletionResultType]::ParameterName, 'The First Address Family Count; 0 keeps the resolver''s order [default: 1, with `off` 0]')
            [CompletionResult]::new('--max-parallel', '--max-parallel', [CompletionResultType]::ParameterName, 'At most this many attempts at a time')
            [CompletionResult]::new('--attempt-timeout', '--attempt-timeout', [CompletionResultType]::ParameterName, 'Time for one attempt [default: as long as the kernel tries; with --udp 200ms]')
            [CompletionResult]::new('--prefer', '--prefer', [CompletionResultType]::ParameterName, 'Try the addresses of this family first')
            [CompletionResult]::new('--qlog', '--qlog', [CompletionResultType]::ParameterName, 'Write every event to FILE, as qlog (JSON text sequences)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--slow-callback', '--slow-callback', [CompletionResultType]::ParameterName, 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Let every attempt finish: probe every address')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON document at the end; an array of them for several targets')
            [CompletionResult]::new('--ndjson', '--ndjson', [CompletionResultType]::ParameterName, 'One JSON record a line: every event as it happens, then the document')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Show no live view')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Turn on the event loop''s debug mode, and report slow callbacks after the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'loopctl;completions' {
            [CompletionResult]::new('--qlog', '--qlog', [CompletionResultType]::ParameterName, 'Write every event to FILE, as qlog (JSON text sequences)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--slow-callback', '--slow-callback', [CompletionResultType]::ParameterName, 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON document at the end; an array of them for several targets')
            [CompletionResult]::new('--ndjson', '--ndjson', [CompletionResultType]::ParameterName, 'One JSON record a line: every event as it happens, then the document')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Show no live view')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Turn on the event loop''s debug mode, and report slow callbacks after the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'loopctl;__generate' {
            [CompletionResult]::new('--qlog', '--qlog', [CompletionResultType]::ParameterName, 'Write every event to FILE, as qlog (JSON text sequences)')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--slow-callback', '--slow-callback', [CompletionResultType]::ParameterName, 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds')
            [CompletionResult]::new('-4', '-4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('--ipv4', '--ipv4', [CompletionResultType]::ParameterName, 'Only IPv4')
            [CompletionResult]::new('-6', '-6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--ipv6', '--ipv6', [CompletionResultType]::ParameterName, 'Only IPv6')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON document at the end; an array of them for several targets')
            [CompletionResult]::new('--ndjson', '--ndjson', [CompletionResultType]::ParameterName, 'One JSON record a line: every event as it happens, then the document')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Show no live view')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Tell attempts as they happen; twice: also what the event loop does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; the exit status tells')
            [CompletionResult]::new('--debug', '--debug', [CompletionResultType]::ParameterName, 'Turn on the event loop''s debug mode, and report slow callbacks after the result')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
