# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_loopctl_global_optspecs
    string join \n 4/ipv4 6/ipv6 json ndjson color= v/verbose q/quiet debug slow-callback= timeout= h/help V/version
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

complete -c loopctl -n "__fish_loopctl_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_needs_command" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -l timeout -d 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds' -r
complete -c loopctl -n "__fish_loopctl_needs_command" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_needs_command" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_needs_command" -l json -d 'One JSON document at the end; an array of them for several targets'
complete -c loopctl -n "__fish_loopctl_needs_command" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_needs_command" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_needs_command" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_needs_command" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_needs_command" -s V -l version -d 'Print version'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "connect" -d 'Connect to each TARGET, racing its addresses; report every attempt'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "demo" -d 'Race a scripted dual-stack host on loopback; needs no network'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c loopctl -n "__fish_loopctl_needs_command" -f -a "__generate" -d 'Write the completions of every shell and the man pages'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l happy-eyeballs -d 'The Connection Attempt Delay, on by default; `off`: one address after another' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l interleave -d 'The First Address Family Count; 0 keeps the resolver\'s order [default: 1, with `off` 0]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l max-parallel -d 'At most this many attempts at a time' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l attempt-timeout -d 'Time for one attempt [default: as long as the kernel tries]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l resolve -d 'Use these addresses for a host instead of asking the resolver; curl\'s HOST:PORT:ADDR works too' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s s -l source -d 'Connect from this address; give one of each family to cover both' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l timeout -d 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l all -d 'Let every attempt finish: probe every address'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l json -d 'One JSON document at the end; an array of them for several targets'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l happy-eyeballs -d 'The Connection Attempt Delay, on by default; `off`: one address after another' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l interleave -d 'The First Address Family Count; 0 keeps the resolver\'s order [default: 1, with `off` 0]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l max-parallel -d 'At most this many attempts at a time' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l attempt-timeout -d 'Time for one attempt [default: as long as the kernel tries]' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l prefer -d 'Try the addresses of this family first' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l timeout -d 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l all -d 'Let every attempt finish: probe every address'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l json -d 'One JSON document at the end; an array of them for several targets'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l timeout -d 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l json -d 'One JSON document at the end; an array of them for several targets'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l slow-callback -d 'Report callbacks, task steps and turns that took at least this long (with --debug: 100ms)' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l timeout -d 'Time for the whole of one target: 250ms, 2s, 1m30s; a bare number is seconds' -r
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 4 -l ipv4 -d 'Only IPv4'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s 6 -l ipv6 -d 'Only IPv6'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l json -d 'One JSON document at the end; an array of them for several targets'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l ndjson -d 'One JSON record a line: every event as it happens, then the document'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s v -l verbose -d 'Tell attempts as they happen; twice: also what the event loop does'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s q -l quiet -d 'Print nothing; the exit status tells'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -l debug -d 'Turn on the event loop\'s debug mode, and report slow callbacks after the result'
complete -c loopctl -n "__fish_loopctl_using_subcommand __generate" -s h -l help -d 'Print help (see more with \'--help\')'
