# Photographs that come through a V4L2 driver as YUYV are labelled as what they are.
# deadline: 120

plug_in
show coffee.png
subscribe
write_config format='"yuyv"'
start_daemon
wait_for 30 "$(labelled espresso)"
show chelsea.png
wait_for 30 "$(labelled 'Egyptian cat|tiger cat|tabby')"
