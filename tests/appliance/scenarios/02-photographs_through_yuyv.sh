# Photographs that come through a camera driver as YUYV are labelled as what they are, by the bundled model.
# deadline: 300

plug_in
show coffee.png
subscribe
real_model=1 write_config format='"yuyv"'
start_daemon
wait_for_label 150 espresso
show chelsea.png
wait_for_label 60 'Egyptian cat|tiger cat|tabby'
