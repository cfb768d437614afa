# Without a network it labels, and tells the broker as soon as there is one.
# deadline: 120

readonly address=192.0.2.1 # For documentation (RFC 5737); nobody has it.
plug_in
install_service
sed --in-place "s#mqtt://127.0.0.1#mqtt://$address#" /etc/glimpsed/glimpsed.toml
[[ -z $(ip route get "$address" 2>/dev/null) ]] || fail "there is a way to $address already"
start_service
sleep 5
is ActiveState active || fail "is $(service_state ActiveState) without a network"
pid=$(main_pid)

ip link add appliance type dummy || fail "the kernel has no dummy interface"
trap 'ip link delete appliance; show_journal' EXIT
ip address add "$address/24" dev appliance
ip link set appliance up
printf '%s\n' "listener 1883 $address" 'allow_anonymous true' 'persistence false' >"$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" >>"$work/broker.log" 2>&1 &
wait_until 10 "the broker does not answer" mosquitto_pub -h "$address" -t probe -n
mosquitto_sub -h "$address" -t "$topic/#" -F '%r %t %p' >>"$work/messages" 2>/dev/null &
wait_for 70 "$topic/status online"
wait_for_label 5 bars
! another_pid_than "$pid" || fail "was started again meanwhile"
