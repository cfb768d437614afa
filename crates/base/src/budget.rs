//! How many bytes each input may take, in one place. `docs/limits.md` explains them, and a test runs the program with bad
//! inputs in a small cgroup.

/// A photograph as a file: for `classify`, `compare`, a replay. The largest photographs of telephones have 60 MB.
pub const PICTURE_FILE: u64 = 64 << 20;

/// One JPEG of a camera or a program. Frames of 3840x2160 have 2 MB, 5 MB at the best quality.
pub const CAMERA_PICTURE: usize = 8 << 20;

/// The head of an answer of a network camera. Cameras send a few hundred bytes.
pub const HTTP_HEAD: usize = 64 << 10;

/// One uncompressed frame: 3840x2160 with two bytes for each pixel.
pub const RAW_FRAME: usize = 16 << 20;

/// A decoded picture, with all that its decoder keeps meanwhile. A picture that would take more is decoded smaller.
pub const DECODED: usize = 12 << 20;

/// The same for a JPEG file, because the coefficients of a progressive one of 108 megapixels take 28 MB.
pub const DECODED_FILE: usize = 28 << 20;

/// What a decoder that cannot make smaller pictures (WebP) may take.
pub const DECODED_WHOLE: u64 = 48 << 20;

/// A WebP file, which is in memory beside its pixels. A lossless one of 5 megapixels has some 10 MB.
pub const WEBP_FILE: usize = 16 << 20;

/// A PNG's row with its compression window, and the data in its other chunks that are looked at.
pub const PNG_CHUNKS: usize = 4 << 20;

/// A configuration, or a file of groups of labels. What reads TOML takes up to two hundred times as much for the worst of files.
pub const CONFIGURATION: u64 = 256 << 10;

/// A label file: some 50 000 classes.
pub const LABELS: u64 = 1 << 20;

/// The JSON of a request to the page, or a login: one line.
pub const JSON_BODY: usize = 16 << 10;

/// A message of a viewer over the page's WebSocket.
pub const SOCKET_MESSAGE: usize = 4 << 10;

/// An MQTT packet, sent or received. The default of the codec, 10 KiB, would end the connection over a long payload.
pub const MQTT_PACKET: usize = 1 << 20;

/// A received message with its topics and correlation data; 64 of them wait at most.
pub const MQTT_RECEIVED: usize = 64 << 10;

/// The payload of a command over MQTT.
pub const MQTT_COMMAND: usize = 4 << 10;

/// The messages of one kind that wait for the broker: events, live ones, and the newest of each topic.
pub const MQTT_WAITING: usize = 8 << 20;

/// The same for answers.
pub const MQTT_ANSWERS: usize = 2 << 20;

/// The events that wait when the daemon stops, and are kept for the next start.
pub const MQTT_KEPT: usize = 1 << 20;

/// The notices to people that wait, with their pictures.
pub const NOTICES_WAITING: usize = 4 << 20;

/// What a service answers to a notice: the part that may say what is wrong.
pub const NOTICE_ANSWER: usize = 4 << 10;

/// The picture of a change of the label, of which `remember` in `[teach]` says how many are kept.
pub const REMEMBERED_PICTURE: usize = 30_000;
