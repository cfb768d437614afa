# Unplugging two hundred times leaks no thread, no descriptor and no memory.
# deadline: 600

plug_in
run_on_camera bars reconnect_min='"100ms"' reconnect_max='"200ms"'
cycle() {
    local quiet=1
    unbind
    sleep 0.1
    bind
    wait_for_fresh_label 8
}
for _ in 1 2 3 4 5; do cycle; done
measure() { note "$1: $(threads "$daemon") threads, $(descriptors "$daemon") descriptors, $(rss_kib "$daemon") KiB"; }
before_threads=$(threads "$daemon") before_descriptors=$(descriptors "$daemon") before_kib=$(rss_kib "$daemon")
measure before
for ((cycles = 0; cycles < 200; cycles++)); do cycle; done
measure "after $cycles cycles"
(($(threads "$daemon") <= before_threads)) || fail "$before_threads threads have become $(threads "$daemon")"
(($(descriptors "$daemon") <= before_descriptors)) ||
    fail "$before_descriptors descriptors have become $(descriptors "$daemon")"
(($(rss_kib "$daemon") <= before_kib + 4096)) || fail "$before_kib KiB have become $(rss_kib "$daemon")"
