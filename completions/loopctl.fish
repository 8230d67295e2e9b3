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

complete -c loopctl -n "__fish_loopctl_needs_command" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_needs_command" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_needs_command" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_needs_command" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_needs_command" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_needs_command" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_needs_command" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_needs_command" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_needs_command" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_needs_command" -s V -l version -d 'Print version'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "connect" -d 'Connect to each TARGET, racing its addresses; report every attempt'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "serve" -d 'Listen: echo, files over HTTP, a program for each client, or nothing at all; with faults on demand'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "listen" -d 'Listen: echo, files over HTTP, a program for each client, or nothing at all; with faults on demand'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "resolve" -d 'Show what names resolve to, in the order in which a connection would use it'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "sendfile" -d 'Send a file over a connection, by the kernel where it can; measure and verify'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "demo" -d 'Race a scripted dual-stack host on loopback; needs no network'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "__generate" -d 'Write the completions of every shell and the man pages'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l targets -d 'Read targets from FILE, one a line, `#` begins a comment; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l concurrency -d 'At most this many targets at a time' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l policy -d 'The rules of a standard or of a well-known client; what other flags say goes before [default: hev3]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l happy-eyeballs -d 'The Connection Attempt Delay; 0: all at once; `off`: one address after another [default: 250ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l resolution-delay -d 'Ask for each family by itself, and let addresses in hand wait this long for IPv6 [default: 50ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l interleave -d 'The First Address Family Count; 0 keeps the resolver\'s order [default: 1, with `off` 0, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-parallel -d 'At most this many attempts at a time [default: 6, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l attempt-timeout -d 'Time for one attempt [default: as long as the kernel tries; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l success -d 'What an attempt has to reach to win: TCP, or the end of the TLS handshake [default: the policy\'s]' -r -f -a "tcp\t'A connection; TLS follows over the one that has won'
tls\t'TLS: an address that is silent, or has a bad certificate, loses to the next'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l resolve -d 'Use these addresses for a host instead of asking the resolver; curl\'s HOST:PORT:ADDR works too' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l via -d 'Who is asked for addresses: the system (getaddrinfo), or name servers [default: system; with --server dns]' -r -f -a "system\t'What other programs of this host get'
dns\t'Name servers, every question of which is told'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l server -d 'Ask this name server and not those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; may be given again' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s s -l source -d 'Connect from this address; give one of each family to cover both' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s I -l interface -d 'Connect through this network interface' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ttl -d 'How many routers a packet may pass' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l dscp -d 'Differentiated Services Code Point' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l mark -d 'Mark for this host\'s routing and firewall rules' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l keepalive -d 'Test silent connections: after IDLE, every INTVL, CNT times (2h, 75s and 9 unless given)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l starttls -d 'Ask for TLS in the words of a protocol that begins in plain' -r -f -a "smtp\t'RFC 3207'
imap\t'RFC 9051'
pop3\t'RFC 2595'
ftp\t'RFC 4217'
postgres\t'PostgreSQL\'s SSLRequest'
ldap\t'RFC 4511'
xmpp\t'RFC 6120'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l sni -d 'The name that the peer is asked for and must have a certificate for, if it is not the target\'s host; an empty one asks for none, and takes any' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l alpn -d 'What is offered to be spoken over TLS, the best first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tls-min -d 'No version below this one' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ca -d 'Trust the certificates of FILE (PEM) and not the system\'s; may be given again' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l cert-expiry -d 'Fail (60) if a certificate of the peer\'s ends sooner than this, such as 14d' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l cert -d 'Our own certificate with its chain (PEM), for peers that ask' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l key -d 'The key of --cert (PEM), if it is in a file of its own' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l compare -d 'Measure each lookup and each address by itself, and tell what every policy would get from here; `live`: run each policy as well, and tell where that differs' -r -f -a "predict\t'What every policy would get'
live\t'What it gets, beside that'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l idle-timeout -d 'End a relay when nothing has come or gone for this long' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l require -d 'The connection must be over this family' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-cost -d 'Waiting for answers and for addresses that did not win must cost no more than this' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s c -l count -d 'Connect N times; with --interval alone, until interrupted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s i -l interval -d 'Time from one start to the next [default: 1s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s w -l wait -d 'Try until it connects, at most this long [60s where no time is given]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l report -d 'Write the report to FILE instead of standard output (with --relay: standard error)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l mptcp -d 'Multipath TCP; a plain socket where the kernel has none'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tfo -d 'TCP Fast Open: uses a cookie of the server\'s, or asks for one'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l nodelay -d 'Send small writes at once'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tls -d 'Speak TLS, and report what was agreed on and whom the peer says it is; with -v its whole chain of certificates'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l insecure -d 'Take any certificate; what is wrong with it is told all the same'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l all -d 'Let every attempt finish: probe every address, however many there are'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s u -l udp -d 'Datagrams instead of connections: which addresses answer an empty one, stay silent, or refuse it?'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s r -l relay -d 'Relay standard input to the connection, and what comes back to standard output; the report goes to standard error'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l fail-on-fallback -d 'The first address must win'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l fresh-dns -d 'Resolve the name anew every time, and tell when its addresses change'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l histogram -d 'Show how the times are distributed'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l csv -d 'One attempt a line, comma-separated, with a header'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l plain -d 'One attempt a line, tab-separated, without a header'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l prom -d 'Metrics for Prometheus\' textfile collector'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l tcp-info -d 'Show more of what the kernel knows of the connection'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s D -l timestamps -d 'Begin lines with the time, in seconds since 1970'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l mode -d 'What is done with each client' -r -f -a "echo\t'Sends back what it receives (RFC 862)'
discard\t'Receives, and sends nothing (RFC 863)'
chargen\t'Sends printable characters without end (RFC 864)'
daytime\t'Sends the time, and closes (RFC 867)'
http\t'Answers HTTP/1.1: files with --root, otherwise what the request looked like'
sink\t'Receives, and puts it where --output says'
blackhole\t'Accepts, and never reads or answers'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l root -d 'The files of --mode http; nothing outside of DIR is shown' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l exec -d 'Run CMD for each client, without a shell: its input and output are the connection' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l shell -d 'As --exec, with /bin/sh' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l output -d 'Where it goes: into a file, one client after another; into a directory, a file for each client; `-` is standard output. A file has .part at the end of its name until it is whole' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l checksum -d 'Print the checksum of what was received, as sha256sum and b3sum do' -r -f -a "sha256\t'As sha256sum(1)'
blake3\t'As b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l max-size -d 'Break off transfers that are larger' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l backlog -d 'How many connections may wait to be accepted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l port-file -d 'Write the ports to FILE, one a line, once clients can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls -d 'Speak TLS, with a certificate made for this run; or with that of a PEM file, its key in a second one unless it is in the same. Given again, clients get the one for the name that they ask for (SNI)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls-cert-file -d 'Write the certificate made for this run to FILE, where it stays, instead of to a temporary file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l client-ca -d 'Let in only clients with a certificate that one of those in FILE has signed' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l alpn -d 'The protocols to agree on, the best first: h2,http/1.1' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l tls-min -d 'No version of TLS below this one' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l max-conns -d 'At most N clients at a time; others wait in the backlog' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s n -l count -d 'End after N clients (with --udp, N datagrams)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l idle-timeout -d 'Close a connection over which nothing has gone for so long' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l rate -d 'Send and receive no faster, for each connection: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l allow -d 'Serve clients of this network only; may be given again' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l grace -d 'Time for clients to finish after SIGINT or SIGTERM' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l fault -d 'Misbehave; may be given again. accept-delay=DUR, delay=DUR, close[=DUR], reset[=DUR], half-close[=DUR], stall-after=SIZE, reset-after=SIZE, slice=SIZE/DUR, rate=SIZE/s or backlog[=N]; with --tls also tls-stall, tls-close, tls-wrong-name, tls-expired or tls-bare-fin; ~JITTER varies the value, @PERCENT the clients that are hit' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l fault-seed -d 'Repeat the choices of an earlier run' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l log -d 'How each closed connection is told' -r -f -a "text\t'One line for people'
json\t'One JSON record a line'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l stats -d 'Tell the totals this often' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l force -d 'Let --output replace a file that exists'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l resume -d 'Go on with what there is of FILE.part, and take only clients that say how long the file is, so that one that is killed leaves no half of it as the whole (`loopctl sendfile --resume`)'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s u -l udp -d 'Datagrams instead of connections'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l reuse-port -d 'Share the address with other servers; the kernel deals out the clients'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l v6only -d '[::]:port takes IPv6 only; IPv4 clients come to it otherwise'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l same-port -d 'Port 0 becomes the same port on all addresses of an ADDR, such as both of localhost'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l once -d 'End after one client: -n 1'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l mode -d 'What is done with each client' -r -f -a "echo\t'Sends back what it receives (RFC 862)'
discard\t'Receives, and sends nothing (RFC 863)'
chargen\t'Sends printable characters without end (RFC 864)'
daytime\t'Sends the time, and closes (RFC 867)'
http\t'Answers HTTP/1.1: files with --root, otherwise what the request looked like'
sink\t'Receives, and puts it where --output says'
blackhole\t'Accepts, and never reads or answers'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l root -d 'The files of --mode http; nothing outside of DIR is shown' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l exec -d 'Run CMD for each client, without a shell: its input and output are the connection' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l shell -d 'As --exec, with /bin/sh' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l output -d 'Where it goes: into a file, one client after another; into a directory, a file for each client; `-` is standard output. A file has .part at the end of its name until it is whole' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l checksum -d 'Print the checksum of what was received, as sha256sum and b3sum do' -r -f -a "sha256\t'As sha256sum(1)'
blake3\t'As b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l max-size -d 'Break off transfers that are larger' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l backlog -d 'How many connections may wait to be accepted' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l port-file -d 'Write the ports to FILE, one a line, once clients can connect' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls -d 'Speak TLS, with a certificate made for this run; or with that of a PEM file, its key in a second one unless it is in the same. Given again, clients get the one for the name that they ask for (SNI)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls-cert-file -d 'Write the certificate made for this run to FILE, where it stays, instead of to a temporary file' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l client-ca -d 'Let in only clients with a certificate that one of those in FILE has signed' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l alpn -d 'The protocols to agree on, the best first: h2,http/1.1' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l tls-min -d 'No version of TLS below this one' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l max-conns -d 'At most N clients at a time; others wait in the backlog' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s n -l count -d 'End after N clients (with --udp, N datagrams)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l idle-timeout -d 'Close a connection over which nothing has gone for so long' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l rate -d 'Send and receive no faster, for each connection: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l allow -d 'Serve clients of this network only; may be given again' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l grace -d 'Time for clients to finish after SIGINT or SIGTERM' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l fault -d 'Misbehave; may be given again. accept-delay=DUR, delay=DUR, close[=DUR], reset[=DUR], half-close[=DUR], stall-after=SIZE, reset-after=SIZE, slice=SIZE/DUR, rate=SIZE/s or backlog[=N]; with --tls also tls-stall, tls-close, tls-wrong-name, tls-expired or tls-bare-fin; ~JITTER varies the value, @PERCENT the clients that are hit' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l fault-seed -d 'Repeat the choices of an earlier run' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l log -d 'How each closed connection is told' -r -f -a "text\t'One line for people'
json\t'One JSON record a line'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l stats -d 'Tell the totals this often' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l force -d 'Let --output replace a file that exists'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l resume -d 'Go on with what there is of FILE.part, and take only clients that say how long the file is, so that one that is killed leaves no half of it as the whole (`loopctl sendfile --resume`)'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s u -l udp -d 'Datagrams instead of connections'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l reuse-port -d 'Share the address with other servers; the kernel deals out the clients'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l v6only -d '[::]:port takes IPv6 only; IPv4 clients come to it otherwise'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l same-port -d 'Port 0 becomes the same port on all addresses of an ADDR, such as both of localhost'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l once -d 'End after one client: -n 1'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s x -l reverse -d 'Ask for the names of this address' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l names -l targets -d 'Read names from FILE, one a line, `#` begins a comment; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l concurrency -d 'At most this many names at a time; where the system is asked, no more than it has threads for' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s t -l type -d 'Ask for records of these types [default: A,AAAA]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l via -d 'Who is asked: the system (getaddrinfo), name servers, or both side by side' -r -f -a "system\t'getaddrinfo: what programs of this host get'
dns\t'Name servers, asked directly'
both\t'Both side by side'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l server -d 'Ask this name server and not those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; may be given again' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l trust-anchor -d 'Trust these keys (DNSKEY or DS records) in the place of the root\'s; `-` is standard input' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l order -d 'The order of addresses: that of a connection, the system\'s, or the name servers\'' -r -f -a "connection\t'In which `loopctl connect` would try them'
system\t'In which getaddrinfo gives them'
dns\t'In which name servers give them'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l interleave -d 'The First Address Family Count of the connection; 0 keeps the resolver\'s order' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l search -d 'Complete short names with the search list, as the system does, which is the default'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l no-search -d 'Take names as complete'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l dnssec -d 'Verify every answer of name servers by its signatures, from the root\'s keys down'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l trace -d 'Go the way from the root servers (or from --server) down to those in charge of the name'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l short -d 'Print addresses alone, or the data of records, one a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l offset -d 'Begin at this byte of the file' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l count -d 'Send so many bytes [default: to the end of the file]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l method -d 'By the kernel, or read and sent, or by the kernel if it can' -r -f -a "auto\t'sendfile(2) if the kernel can, otherwise a copy'
sendfile\t'sendfile(2)'
copy\t'Read and sent'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l rate -d 'No faster than this: 1MiB/s, 64kB/s' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l checksum -d 'Print the checksum of what was sent, as sha256sum and b3sum do; with --resume, that of the file' -r -f -a "sha256\t'As sha256sum(1)'
blake3\t'As b3sum(1)'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l idle-timeout -d 'Give up when the peer has taken nothing for this long' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l policy -d 'The rules of a standard or of a well-known client; what other flags say goes before [default: hev3]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l happy-eyeballs -d 'The Connection Attempt Delay; 0: all at once; `off`: one address after another [default: 250ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resolution-delay -d 'Ask for each family by itself, and let addresses in hand wait this long for IPv6 [default: 50ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l interleave -d 'The First Address Family Count; 0 keeps the resolver\'s order [default: 1, with `off` 0, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l max-parallel -d 'At most this many attempts at a time [default: 6, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l attempt-timeout -d 'Time for one attempt [default: as long as the kernel tries; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l success -d 'What an attempt has to reach to win: TCP, or the end of the TLS handshake [default: the policy\'s]' -r -f -a "tcp\t'A connection; TLS follows over the one that has won'
tls\t'TLS: an address that is silent, or has a bad certificate, loses to the next'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resolve -d 'Use these addresses for a host instead of asking the resolver; curl\'s HOST:PORT:ADDR works too' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l via -d 'Who is asked for addresses: the system (getaddrinfo), or name servers [default: system; with --server dns]' -r -f -a "system\t'What other programs of this host get'
dns\t'Name servers, every question of which is told'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l server -d 'Ask this name server and not those of resolv.conf(5): [udp|tcp|tls|https://]HOST[:PORT]; may be given again' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s s -l source -d 'Connect from this address; give one of each family to cover both' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s I -l interface -d 'Connect through this network interface' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ttl -d 'How many routers a packet may pass' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l dscp -d 'Differentiated Services Code Point' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l mark -d 'Mark for this host\'s routing and firewall rules' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l keepalive -d 'Test silent connections: after IDLE, every INTVL, CNT times (2h, 75s and 9 unless given)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l starttls -d 'Ask for TLS in the words of a protocol that begins in plain' -r -f -a "smtp\t'RFC 3207'
imap\t'RFC 9051'
pop3\t'RFC 2595'
ftp\t'RFC 4217'
postgres\t'PostgreSQL\'s SSLRequest'
ldap\t'RFC 4511'
xmpp\t'RFC 6120'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l sni -d 'The name that the peer is asked for and must have a certificate for, if it is not the target\'s host; an empty one asks for none, and takes any' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l alpn -d 'What is offered to be spoken over TLS, the best first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tls-min -d 'No version below this one' -r -f -a "1.2\t'RFC 5246'
1.3\t'RFC 8446'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ca -d 'Trust the certificates of FILE (PEM) and not the system\'s; may be given again' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l cert-expiry -d 'Fail (60) if a certificate of the peer\'s ends sooner than this, such as 14d' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l cert -d 'Our own certificate with its chain (PEM), for peers that ask' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l key -d 'The key of --cert (PEM), if it is in a file of its own' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l resume -d 'Ask the sink how much it has, and send the rest; it has to be `loopctl serve --mode sink --resume`. Without this, the other end cannot tell the end of the file from that of a sender that is killed'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l no-fallback -d 'Fail where the kernel cannot: --method sendfile'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l mptcp -d 'Multipath TCP; a plain socket where the kernel has none'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tfo -d 'TCP Fast Open: uses a cookie of the server\'s, or asks for one'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l nodelay -d 'Send small writes at once'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l tls -d 'Speak TLS, and report what was agreed on and whom the peer says it is; with -v its whole chain of certificates'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l insecure -d 'Take any certificate; what is wrong with it is told all the same'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand sendfile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l policy -d 'The rules of a standard or of a well-known client; what other flags say goes before [default: hev3]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l happy-eyeballs -d 'The Connection Attempt Delay; 0: all at once; `off`: one address after another [default: 250ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l resolution-delay -d 'Ask for each family by itself, and let addresses in hand wait this long for IPv6 [default: 50ms, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l interleave -d 'The First Address Family Count; 0 keeps the resolver\'s order [default: 1, with `off` 0, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l max-parallel -d 'At most this many attempts at a time [default: 6, or the policy\'s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l attempt-timeout -d 'Time for one attempt [default: as long as the kernel tries; with --udp 200ms, with --compare 3s]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l all -d 'Let every attempt finish: probe every address, however many there are'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l qlog -d 'Write every event to FILE, as qlog (JSON text sequences)' -r -F
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l timeout -d 'Time for the whole of one target, with --relay until it is connected: 250ms, 2s, 1m30s; a bare number is seconds [default: 10s; resolve: 5s; serve: none; sendfile: 10s to connect, none to send]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l json -d 'One JSON document at the end; an array of them for several targets; for serve, a record a line'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l no-progress -d 'Show no live view'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s h -l help -d 'Print help (see more with \'--help\')'
