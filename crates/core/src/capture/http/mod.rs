//! A network camera that is read over HTTP: MJPEG (`multipart/x-mixed-replace`), or a picture that is fetched again and
//! again.

mod challenge;
mod client;
mod error;
mod source;

pub(super) use source::HttpOpener;
