# This host, two routers and a server in a row: 10.0.1.2 - 10.0.1.1 r1 10.0.2.1 - 10.0.2.2 r2 10.0.3.1 - 10.0.3.9,
# and the same in fd00:1::/64 to fd00:3::/64. `on HOST COMMAND` runs a command on another host.
mount -t tmpfs run /run
for host in r1 r2 server; do ip netns add $host; done
# Because packets would wait for duplicate address detection.
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
for host in r1 r2 server; do ip netns exec $host sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0; done
on() { host=$1; shift; ip netns exec $host "$@"; }
address() { on $1 ip address add $3 dev $2; on $1 ip -6 address add $4 dev $2 nodad; on $1 ip link set $2 up; }
ip link add c0 type veth peer name a0 netns r1
ip link add a1 netns r1 type veth peer name b0 netns r2
ip link add b1 netns r2 type veth peer name s0 netns server
for host in r1 r2 server; do on $host ip link set lo up; done
for host in r1 r2; do on $host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; done
ip address add 10.0.1.2/24 dev c0
ip -6 address add fd00:1::2/64 dev c0 nodad
ip link set c0 up
address r1 a0 10.0.1.1/24 fd00:1::1/64
address r1 a1 10.0.2.1/24 fd00:2::1/64
address r2 b0 10.0.2.2/24 fd00:2::2/64
address r2 b1 10.0.3.1/24 fd00:3::1/64
address server s0 10.0.3.9/24 fd00:3::9/64
ip route add default via 10.0.1.1
ip -6 route add default via fd00:1::1
on r1 ip route add 10.0.3.0/24 via 10.0.2.2
on r1 ip -6 route add fd00:3::/64 via fd00:2::2
on r2 ip route add 10.0.1.0/24 via 10.0.2.1
on r2 ip -6 route add fd00:1::/64 via fd00:2::1
on server ip route add default via 10.0.3.1
on server ip -6 route add default via fd00:3::1
# A rule at a hook of a host: filter HOST HOOK RULE...
filter() {
    host=$1 hook=$2; shift 2
    on $host nft "add table inet t; add chain inet t c { type filter hook $hook priority 0; }"
    on $host nft add rule inet t c "$@"
}
# The first packets of IPv6 wait for the interfaces.
for _ in $(seq 50); do
    status=0; "$1" connect -q --timeout 200ms '[fd00:3::9]:9' || status=$?
    [ $status = 7 ] && break
done
