# Who waits for a camera sleeps: a few wake-ups a second, and hardly any CPU between them.
# deadline: 60

# What a wake-up costs depends on how fast the guest is emulated, so they are counted. The ticks are for a thread that never sleeps.
readonly most_wakeups_a_second=25 most_ticks=200

subscribe
write_config
start_daemon
wait_for 10 "$topic/status online"
sleep 3
ticks_before=$(cpu_ticks "$daemon") woken_before=$(wakeups "$daemon")
sleep 20
ticks=$(($(cpu_ticks "$daemon") - ticks_before)) woken=$(($(wakeups "$daemon") - woken_before))
note "$woken wake-ups and $ticks ticks of 2000 in 20 s"
((woken > 0 && woken < 20 * most_wakeups_a_second)) || fail "$woken wake-ups in 20 s"
((ticks < most_ticks)) || fail "$ticks of 2000 ticks of CPU in 20 s"
