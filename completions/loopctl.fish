# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_loopctl_global_optspecs
    string join \n 4/ipv4 6/ipv6 json ndjson qlog= no-progress color= v/verbose q/quiet debug slow-callback= timeout= h/help V/version
end

function __fish_loopctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_loopctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_loopctl_using_subcommand
    set -l cmd (__fish_loopctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c loopctl -n "__fish_loopctl_needs_command" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_needs_command" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_needs_command" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_needs_command" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_needs_command" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_needs_command" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_needs_command" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_needs_command" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_needs_command" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_needs_command" -s V -l version -d 'Print version'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "connect" -d 'Connect to each TARGET, racing its addresses; report every attempt'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "serve" -d 'Listen and serve: echo, files over HTTP, a program per client, a sink; with faults on demand'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "listen" -d 'Listen and serve: echo, files over HTTP, a program per client, a sink; with faults on demand'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "control" -d 'Show or replace the faults of a running `loopctl serve --control`'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "resolve" -d 'Resolve names through the system and name servers, in the order a connection would try them'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "sendfile" -d 'Send a file over a connection with sendfile(2); measure and verify the transfer'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "demo" -d 'Race a scripted dual-stack host on loopback; needs no network'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "help" -d 'Show help of a command, or of one group of its flags'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "report" -d 'Show JSON documents of loopctl as text, an HTML page or an SVG image'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "__generate" -d 'Write shell completions, man pages and JSON schemas'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l targets -d 'Read targets from FILE, one per line; `#` starts a comment; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l concurrency -d 'Maximum number of targets in progress at the same time' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l policy -d 'Race by the rules of a standard or client; other flags override them [default: hev3]' -r -f -a "hev3\t''
rfc8305\t''
asyncio\t''
curl\t''
curl-7.88\t''
node\t''
go\t''
chrome\t''
chrome-hev3\t''
firefox\t''
firefox-nightly\t''
trio\t''
sequential\t''
simultaneous\t''"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l happy-eyeballs -d 'Connection Attempt Delay; 0 starts all attempts at once; `off` tries one at a time [default: 250ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l resolution-delay -d 'Wait this long for AAAA after A has answered; queries each family separately [default: 50ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l interleave -d 'First Address Family Count (RFC 8305 section 4); 0 keeps the resolver\'s order [default: 1, with `off` 0, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-parallel -d 'Maximum number of attempts in progress at the same time [default: 6, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l attempt-timeout -d 'Time limit of one attempt [default: the kernel\'s limit; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l success -d 'Stage at which an attempt wins: TCP connected, or TLS handshake done [default: from the policy]' -r -f -a "tcp\t'TCP is connected; TLS follows over the winning connection'
tls\t'The TLS handshake is done; an address that is silent or has a bad certificate loses to the next'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l resolve -d 'Use these addresses for HOST instead of resolving it; curl\'s HOST:PORT:ADDR also works' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l via -d 'Resolve with the system (getaddrinfo) or with name servers directly [default: system; with --server dns]' -r -f -a "system\t'getaddrinfo, as other programs on this host'
dns\t'Name servers; the report lists every query'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l server -d 'Query this name server instead of those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s s -l source -d 'Connect from this local address; give one per family to cover both' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s I -l interface -d 'Connect through this network interface' -r -f -a "(__fish_print_interfaces)"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ttl -d 'Time To Live (IPv6: hop limit) of outgoing packets' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l dscp -d 'Differentiated Services Code Point of outgoing packets (RFC 2474): a number, or EF, AF41, CS6...' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l mark -d 'Mark for routing and firewall rules of this host (SO_MARK)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l keepalive -d 'Probe an idle connection after IDLE, then every INTVL, CNT times [defaults: 2h, 75s, 9]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l starttls -d 'Start TLS inside a plain-text protocol (STARTTLS)' -r -f -a "smtp\t'RFC 3207'
imap\t'RFC 9051'
pop3\t'RFC 2595'
ftp\t'RFC 4217'
postgres\t'PostgreSQL\'s SSLRequest'
ldap\t'RFC 4511'
xmpp\t'RFC 6120'
mysql\t'MySQL\'s SSLRequest'
nntp\t'RFC 4642'
sieve\t'ManageSieve, RFC 5804'
lmtp\t'RFC 2033'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l sni -d 'Server name to send (SNI) and to match against the certificate; empty sends none and matches any' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l alpn -d 'ALPN protocols to offer, in order of preference' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tls-min -d 'Minimum TLS version [default: 1.2]' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ca -d 'Trust the CA certificates in FILE (PEM) instead of the system\'s; repeatable' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l cert-expiry -d 'Exit 60 if a certificate of the peer expires within this time, such as 14d' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l key -d 'Private key of --cert (PEM), if it is in a separate file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l compare -d 'Measure each lookup and each address separately, and predict the result of every policy; `live` also runs each policy' -r -f -a "predict\t'Predict the result of every policy'
live\t'Predict the result, then run every policy and report differences'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l probes -d 'Packets to each hop with --path [default: 3]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-hops -d 'Largest hop limit with --path [default: 30]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l http -d 'Send one HTTP request over the connection that won, and report the response [default path: /]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s X -l method -d 'Method of the request [default: GET, with --data POST]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s H -l header -d 'Add a header field, or replace one of the same name; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s d -l data -d 'Body of the request; `@FILE` reads a file, `@-` standard input' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l expect-status -d 'Require one of these statuses of the response, such as 200,3xx,400-404; else exit 3' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l expect-body -d 'Require that the first 64 KiB of the body match; else exit 3' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l idle-timeout -d 'Stop a relay after this time without data in either direction; exit status 28' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l require -d 'Require a connection over this family' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-cost -d 'Maximum delay added by Happy Eyeballs: waiting for answers and for addresses that did not win' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s c -l count -d 'Connect N times; without it, --interval repeats until interrupted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s i -l interval -d 'Time from one start to the next [default: 1s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s w -l wait -d 'Retry until connected, for at most this long [default: 60s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l report -d 'Write the report to FILE instead of standard output (with --relay: standard error); FILE.html and FILE.svg get a page, and the report stays' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l mptcp -d 'Use Multipath TCP (RFC 8684); a plain TCP socket where the kernel has none'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tfo -d 'Use TCP Fast Open (RFC 7413): send a cookie of the server, or request one'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l nodelay -d 'Send small writes at once (TCP_NODELAY)'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tls -d 'Use TLS; report version, cipher suite and certificate; -v shows the whole certificate chain'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s k -l insecure -d 'Accept any certificate; certificate problems are still reported'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l all -d 'Probe every address: let every attempt finish and do not stop at the first success'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l path -d 'Find where packets end: the routers on the path, and the hop after which no answer comes'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s u -l udp -d 'Send a datagram to each address instead of connecting; report which answer, stay silent or refuse'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s L -l location -d 'Follow redirects, at most 10; each has its own race and report'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l fail -d 'Exit 22 if the status of the response is 400 or above, as curl'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s r -l relay -d 'Copy standard input to the connection and the connection to standard output; the report goes to standard error'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l fail-on-fallback -d 'Require that the first address wins'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l fresh-dns -d 'Resolve the name for every connection; report when its addresses change'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l histogram -d 'Show the distribution of connect times'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l csv -d 'Print one line per attempt, comma-separated, with a header'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l plain -d 'Print one line per attempt, tab-separated, without a header'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l prom -d 'Print metrics for the textfile collector of Prometheus'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tcp-info -d 'Show more of the kernel\'s TCP_INFO for the connection'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s D -l timestamps -d 'Start lines with the time, in seconds since 1970'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l mode -d 'Service that each client gets' -r -f -a "echo\t'Send received data back (RFC 862)'
discard\t'Receive and discard data (RFC 863)'
chargen\t'Send printable characters without end (RFC 864)'
daytime\t'Send the time and close (RFC 867)'
http\t'Answer HTTP/1.1: files with --root, otherwise a description of the request'
sink\t'Receive data and store it (--output)'
blackhole\t'Accept, and never read or answer'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l root -d 'Serve the files below DIR (--mode http); nothing outside DIR is served' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l exec -d 'Run CMD for each client, without a shell; the connection is its standard input and output' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l shell -d 'Run CMD with /bin/sh for each client; otherwise as --exec' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l output -d 'Store received data (--mode sink): FILE, one client after another; DIR, one file per client; `-` for standard output' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l checksum -d 'Print the checksum of received data, as sha256sum and b3sum do' -r -f -a "sha256\t'SHA-256, in the format of sha256sum(1)'
blake3\t'BLAKE3, in the format of b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l max-files -d 'Maximum number of files in DIR from one run; later clients are reset' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l max-size -d 'Reset transfers larger than this' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l upstream -d 'Forward each client to TARGET (host:port or unix:/path), with faults in both directions' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l ca -d 'Trust the CA certificates in FILE (PEM) for --upstream-tls instead of the system\'s; repeatable' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l backlog -d 'Maximum number of connections waiting to be accepted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l port-file -d 'Write the ports to FILE, one per line, once clients can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls -d 'Serve TLS with a certificate made for this run, or with CERT[,KEY] (PEM files); repeatable, selected by SNI' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls-cert-file -d 'Write the certificate made for this run to FILE and keep it, instead of a temporary file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l client-ca -d 'Require a client certificate signed by a CA in FILE' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l alpn -d 'ALPN protocols in order of preference: h2,http/1.1' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l max-conns -d 'Maximum number of clients at the same time; others wait in the backlog [default: 100 with --exec and --shell, otherwise 1000]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s n -l count -d 'Exit after N clients (with --udp, N datagrams)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l idle-timeout -d 'Close a connection after this much inactivity [default: 60s with --mode http, otherwise never]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l rate -d 'Maximum rate of each connection, in each direction: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l allow -d 'Accept clients of this network only; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l grace -d 'Time for clients to finish after SIGINT or SIGTERM' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l fault -d 'Inject a fault: [up:|down:]KIND[=VALUE][~JITTER][@PERCENT]; repeatable' -r -f -a "accept-delay=\t''
delay=\t''
close\t''
reset\t''
half-close\t''
stall-after=\t''
reset-after=\t''
slice=\t''
rate=\t''
backlog\t''
tls-stall\t''
tls-close\t''
tls-wrong-name\t''
tls-expired\t''
tls-bare-fin\t''"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l faults -d 'Read the faults from FILE, one a line, and again on SIGHUP' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l control -d 'Let `loopctl control` show and replace the faults while the server runs; only this user can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l fault-seed -d 'Seed for the random choices of faults; the summary of a run shows its seed' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l log -d 'Format of the per-connection log line' -r -f -a "text\t'One line of text'
json\t'One line of JSON'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l stats -d 'Print the totals at this interval' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l force -d 'Let --output replace an existing file'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l resume -d 'Continue FILE.part; accept only clients that announce the length (`loopctl sendfile --resume`)'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l upstream-tls -d 'Use TLS to the upstream, whose certificate must match the host of TARGET'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l insecure -d 'Accept any certificate of the upstream'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s u -l udp -d 'Serve datagrams instead of connections'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l reuse-port -d 'Share the address with other servers (SO_REUSEPORT); the kernel distributes clients'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l v6only -d 'Accept only IPv6 on `[::]:port`; without this flag it also accepts IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l once -d 'Exit after one client; same as -n 1'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l mode -d 'Service that each client gets' -r -f -a "echo\t'Send received data back (RFC 862)'
discard\t'Receive and discard data (RFC 863)'
chargen\t'Send printable characters without end (RFC 864)'
daytime\t'Send the time and close (RFC 867)'
http\t'Answer HTTP/1.1: files with --root, otherwise a description of the request'
sink\t'Receive data and store it (--output)'
blackhole\t'Accept, and never read or answer'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l root -d 'Serve the files below DIR (--mode http); nothing outside DIR is served' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l exec -d 'Run CMD for each client, without a shell; the connection is its standard input and output' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l shell -d 'Run CMD with /bin/sh for each client; otherwise as --exec' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l output -d 'Store received data (--mode sink): FILE, one client after another; DIR, one file per client; `-` for standard output' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l checksum -d 'Print the checksum of received data, as sha256sum and b3sum do' -r -f -a "sha256\t'SHA-256, in the format of sha256sum(1)'
blake3\t'BLAKE3, in the format of b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l max-files -d 'Maximum number of files in DIR from one run; later clients are reset' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l max-size -d 'Reset transfers larger than this' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l upstream -d 'Forward each client to TARGET (host:port or unix:/path), with faults in both directions' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l ca -d 'Trust the CA certificates in FILE (PEM) for --upstream-tls instead of the system\'s; repeatable' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l backlog -d 'Maximum number of connections waiting to be accepted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l port-file -d 'Write the ports to FILE, one per line, once clients can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls -d 'Serve TLS with a certificate made for this run, or with CERT[,KEY] (PEM files); repeatable, selected by SNI' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls-cert-file -d 'Write the certificate made for this run to FILE and keep it, instead of a temporary file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l client-ca -d 'Require a client certificate signed by a CA in FILE' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l alpn -d 'ALPN protocols in order of preference: h2,http/1.1' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l max-conns -d 'Maximum number of clients at the same time; others wait in the backlog [default: 100 with --exec and --shell, otherwise 1000]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s n -l count -d 'Exit after N clients (with --udp, N datagrams)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l idle-timeout -d 'Close a connection after this much inactivity [default: 60s with --mode http, otherwise never]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l rate -d 'Maximum rate of each connection, in each direction: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l allow -d 'Accept clients of this network only; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l grace -d 'Time for clients to finish after SIGINT or SIGTERM' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l fault -d 'Inject a fault: [up:|down:]KIND[=VALUE][~JITTER][@PERCENT]; repeatable' -r -f -a "accept-delay=\t''
delay=\t''
close\t''
reset\t''
half-close\t''
stall-after=\t''
reset-after=\t''
slice=\t''
rate=\t''
backlog\t''
tls-stall\t''
tls-close\t''
tls-wrong-name\t''
tls-expired\t''
tls-bare-fin\t''"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l faults -d 'Read the faults from FILE, one a line, and again on SIGHUP' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l control -d 'Let `loopctl control` show and replace the faults while the server runs; only this user can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l fault-seed -d 'Seed for the random choices of faults; the summary of a run shows its seed' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l log -d 'Format of the per-connection log line' -r -f -a "text\t'One line of text'
json\t'One line of JSON'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l stats -d 'Print the totals at this interval' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l force -d 'Let --output replace an existing file'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l resume -d 'Continue FILE.part; accept only clients that announce the length (`loopctl sendfile --resume`)'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l upstream-tls -d 'Use TLS to the upstream, whose certificate must match the host of TARGET'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l insecure -d 'Accept any certificate of the upstream'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s u -l udp -d 'Serve datagrams instead of connections'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l reuse-port -d 'Share the address with other servers (SO_REUSEPORT); the kernel distributes clients'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l v6only -d 'Accept only IPv6 on `[::]:port`; without this flag it also accepts IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l once -d 'Exit after one client; same as -n 1'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand control" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s x -l reverse -d 'Query the names of this address (PTR records)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l names -l targets -d 'Read names from FILE, one per line; `#` starts a comment; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l concurrency -d 'Maximum number of names in progress at the same time; getaddrinfo is also limited by the thread pool' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s t -l type -d 'Query records of these types [default: A,AAAA]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l via -d 'Resolve with the system (getaddrinfo), with name servers, or with both side by side' -r -f -a "system\t'getaddrinfo, as other programs on this host'
dns\t'Name servers, queried directly'
both\t'Both side by side'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l server -d 'Query this name server instead of those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l trust-anchor -d 'Trust these keys (DNSKEY or DS records in zone-file form) instead of the root\'s; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l order -d 'Order of addresses: of a connection, of the system, or of the name servers' -r -f -a "connection\t'The order in which `loopctl connect` would try them'
system\t'The order of getaddrinfo'
dns\t'The order of the name servers\' answers'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l interleave -d 'First Address Family Count of the connection; 0 keeps the resolver\'s order' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l report -d 'Write the report to FILE instead of standard output; FILE.html and FILE.svg get a page, and the report stays' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l search -d 'Complete short names with the search list, as the system does [default]'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l no-search -d 'Query names as given, without the search list'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l dnssec -d 'Validate every answer of name servers with DNSSEC, from the root keys down'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l trace -d 'Follow referrals from the root servers (or from --server) to the authoritative servers of the name'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l short -d 'Print only addresses, or record data, one per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l offset -d 'Start at this byte of the file' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l count -d 'Send this many bytes [default: to the end of the file]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l method -d 'Way to send: with sendfile(2), by copying, or with sendfile(2) where possible' -r -f -a "auto\t'sendfile(2) where the kernel supports it, otherwise a copy'
sendfile\t'sendfile(2)'
copy\t'read(2) and send(2)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l rate -d 'Maximum rate: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l checksum -d 'Print the checksum of the bytes sent, as sha256sum and b3sum do; with --resume, of the whole file' -r -f -a "sha256\t'SHA-256, in the format of sha256sum(1)'
blake3\t'BLAKE3, in the format of b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l idle-timeout -d 'Stop when the peer has accepted no data for this long; exit status 28' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l policy -d 'Race by the rules of a standard or client; other flags override them [default: hev3]' -r -f -a "hev3\t''
rfc8305\t''
asyncio\t''
curl\t''
curl-7.88\t''
node\t''
go\t''
chrome\t''
chrome-hev3\t''
firefox\t''
firefox-nightly\t''
trio\t''
sequential\t''
simultaneous\t''"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l happy-eyeballs -d 'Connection Attempt Delay; 0 starts all attempts at once; `off` tries one at a time [default: 250ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resolution-delay -d 'Wait this long for AAAA after A has answered; queries each family separately [default: 50ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l interleave -d 'First Address Family Count (RFC 8305 section 4); 0 keeps the resolver\'s order [default: 1, with `off` 0, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l max-parallel -d 'Maximum number of attempts in progress at the same time [default: 6, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l attempt-timeout -d 'Time limit of one attempt [default: the kernel\'s limit; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l success -d 'Stage at which an attempt wins: TCP connected, or TLS handshake done [default: from the policy]' -r -f -a "tcp\t'TCP is connected; TLS follows over the winning connection'
tls\t'The TLS handshake is done; an address that is silent or has a bad certificate loses to the next'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resolve -d 'Use these addresses for HOST instead of resolving it; curl\'s HOST:PORT:ADDR also works' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l via -d 'Resolve with the system (getaddrinfo) or with name servers directly [default: system; with --server dns]' -r -f -a "system\t'getaddrinfo, as other programs on this host'
dns\t'Name servers; the report lists every query'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l server -d 'Query this name server instead of those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; repeatable' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s s -l source -d 'Connect from this local address; give one per family to cover both' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s I -l interface -d 'Connect through this network interface' -r -f -a "(__fish_print_interfaces)"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ttl -d 'Time To Live (IPv6: hop limit) of outgoing packets' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l dscp -d 'Differentiated Services Code Point of outgoing packets (RFC 2474): a number, or EF, AF41, CS6...' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l mark -d 'Mark for routing and firewall rules of this host (SO_MARK)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l keepalive -d 'Probe an idle connection after IDLE, then every INTVL, CNT times [defaults: 2h, 75s, 9]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l starttls -d 'Start TLS inside a plain-text protocol (STARTTLS)' -r -f -a "smtp\t'RFC 3207'
imap\t'RFC 9051'
pop3\t'RFC 2595'
ftp\t'RFC 4217'
postgres\t'PostgreSQL\'s SSLRequest'
ldap\t'RFC 4511'
xmpp\t'RFC 6120'
mysql\t'MySQL\'s SSLRequest'
nntp\t'RFC 4642'
sieve\t'ManageSieve, RFC 5804'
lmtp\t'RFC 2033'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l sni -d 'Server name to send (SNI) and to match against the certificate; empty sends none and matches any' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l alpn -d 'ALPN protocols to offer, in order of preference' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tls-min -d 'Minimum TLS version [default: 1.2]' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ca -d 'Trust the CA certificates in FILE (PEM) instead of the system\'s; repeatable' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l cert-expiry -d 'Exit 60 if a certificate of the peer expires within this time, such as 14d' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l cert -d 'Client certificate with its chain (PEM)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l key -d 'Private key of --cert (PEM), if it is in a separate file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resume -d 'Continue a transfer: query what the sink has, and send the rest; needs `loopctl serve --mode sink --resume`'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l no-fallback -d 'Fail if the kernel does not support sendfile(2) for this file; same as --method sendfile'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l mptcp -d 'Use Multipath TCP (RFC 8684); a plain TCP socket where the kernel has none'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tfo -d 'Use TCP Fast Open (RFC 7413): send a cookie of the server, or request one'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l nodelay -d 'Send small writes at once (TCP_NODELAY)'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tls -d 'Use TLS; report version, cipher suite and certificate; -v shows the whole certificate chain'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s k -l insecure -d 'Accept any certificate; certificate problems are still reported'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l policy -d 'Race by the rules of a standard or client; other flags override them [default: hev3]' -r -f -a "hev3\t''
rfc8305\t''
asyncio\t''
curl\t''
curl-7.88\t''
node\t''
go\t''
chrome\t''
chrome-hev3\t''
firefox\t''
firefox-nightly\t''
trio\t''
sequential\t''
simultaneous\t''"
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l happy-eyeballs -d 'Connection Attempt Delay; 0 starts all attempts at once; `off` tries one at a time [default: 250ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l resolution-delay -d 'Wait this long for AAAA after A has answered; queries each family separately [default: 50ms, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l interleave -d 'First Address Family Count (RFC 8305 section 4); 0 keeps the resolver\'s order [default: 1, with `off` 0, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l max-parallel -d 'Maximum number of attempts in progress at the same time [default: 6, or from the policy]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l attempt-timeout -d 'Time limit of one attempt [default: the kernel\'s limit; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l all -d 'Probe every address: let every attempt finish and do not stop at the first success'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l format -d 'Format [default: from the ending of --output, or text]' -r -f -a "text\t'Text for a terminal'
html\t'One HTML file, without scripts and without anything from elsewhere'
svg\t'One SVG image with title, charts and reasons'"
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l qlog -d 'Write every event to FILE as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l slow-callback -d 'Report callbacks, task steps and loop turns that took at least this long [default with --debug: 100ms]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l timeout -d 'Time limit per target: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: see --via; serve: none]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l json -d 'Print one JSON document at the end; several targets give an array; `serve` prints one record per line'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l ndjson -d 'Print every event as one line of JSON as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l no-progress -d 'Do not show progress on the terminal'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s v -l verbose -d 'Print attempts as they happen; twice: also events of the event loop'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s q -l quiet -d 'Print nothing; report by exit status only'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l debug -d 'Enable the event loop\'s debug mode; report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -a "(__fish_print_hostnames)"
