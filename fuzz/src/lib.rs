//! The program's own source files that read bytes from outside, compiled here without the rest: the whole of it would
//! bring the inference library, which takes ten minutes to build with a sanitizer.

#[path = "../../src/preprocess/decode.rs"]
pub mod decode;
#[path = "../../src/frame.rs"]
pub mod frame;
#[path = "../../src/jpeg/mod.rs"]
pub mod jpeg;
#[path = "../../src/capture/mjpeg.rs"]
pub mod mjpeg;

#[path = "."]
pub mod control {
    #[path = "../../src/control/command.rs"]
    pub mod command;
}

#[path = "."]
pub mod mqtt {
    #[path = "../../src/sinks/mqtt/topics.rs"]
    pub mod topics;
    #[path = "../../src/sinks/mqtt/wishes.rs"]
    pub mod wishes;
}
