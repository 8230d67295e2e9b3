//! Completion of hosts and interfaces, which the generator of clap knows for some shells only.

use clap_complete::Shell;

/// The script of a shell, in which targets are completed by known hosts and `--interface` by the interfaces of the
/// system.
pub(super) fn with_hosts_and_interfaces(shell: Shell, script: String) -> String {
    match shell {
        Shell::Bash => with_bash_hosts(&with_bash_interfaces(&script)),
        Shell::Zsh => script.replace(
            "[Connect through this network interface]:NAME:_default",
            "[Connect through this network interface]:NAME:_net_interfaces",
        ),
        Shell::Fish => with_fish_hosts(&script),
        _ => script,
    }
}

fn with_bash_interfaces(script: &str) -> String {
    const FILES: &str = r#"COMPREPLY=($(compgen -f "${cur}"))"#;
    const INTERFACES: &str =
        r#"COMPREPLY=($(compgen -W "$(command ls /sys/class/net 2>/dev/null)" -- "${cur}"))"#;
    let (mut lines, mut is_interface) = (Vec::new(), false);
    for line in script.lines() {
        lines.push(if is_interface { line.replace(FILES, INTERFACES) } else { line.to_owned() });
        is_interface = matches!(line.trim(), "--interface)" | "-I)");
    }
    lines.join("\n") + "\n"
}

/// The hosts of bash-completion, which reads known_hosts, or those of /etc/hosts.
fn with_bash_hosts(script: &str) -> String {
    const HOSTS: &str = r#"                *)
                    if declare -F _known_hosts_real >/dev/null ; then
                        _known_hosts_real -- "${cur}"
                    else
                        COMPREPLY=($(compgen -A hostname -- "${cur}"))
                    fi
                    return 0
                    ;;
"#;
    const NOTHING: &str =
        "                *)\n                    COMPREPLY=()\n                    ;;\n";
    const FIRST_WORD: &str = "|| ${COMP_CWORD} -eq 2 ]]";
    let Some(at) = script.find("        loopctl__subcmd__connect)\n") else {
        return script.to_owned();
    };
    let (before, connect) = script.split_at(at);
    let connect = connect.replacen(FIRST_WORD, "|| ( -z ${cur} && ${COMP_CWORD} -eq 2 ) ]]", 1);
    before.to_owned() + &connect.replacen(NOTHING, HOSTS, 1)
}

fn with_fish_hosts(script: &str) -> String {
    const TEXT: &str = "-d 'Connect through this network interface' -r";
    let script = script.replace(TEXT, &format!("{TEXT} -f -a \"(__fish_print_interfaces)\""));
    let condition = "-n \"__fish_loopctl_using_subcommand connect\"";
    script + &format!("complete -c loopctl {condition} -a \"(__fish_print_hostnames)\"\n")
}
