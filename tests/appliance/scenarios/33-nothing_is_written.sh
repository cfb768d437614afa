# What runs writes nothing to a disk, and asks for nothing to be written.
# deadline: 120

subscribe
plug_in
install_service
start_service
wait_for_label 15 bars
written() { awk '/^write_bytes:/ { print $2 }' "/proc/$(main_pid)/io"; }
sleep 10
before=$(written)
sleep 30
after=$(written)
note "$before bytes written after 10 s, $after after 40 s"
[[ $before == "$after" ]] || fail "$((after - before)) bytes were written in 30 s"
