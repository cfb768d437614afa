//! The region of a picture that is classified, and its rotation.

use serde::{Deserialize, Serialize};

/// Rotation and region of a camera's pictures. Picture files are classified whole and not rotated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Framing {
    /// Applied first.
    pub rotation: Rotation,
    /// Relative to the rotated picture.
    pub region: Region,
}

impl Default for Framing {
    fn default() -> Self {
        Rotation::None.into()
    }
}

impl From<Rotation> for Framing {
    fn from(rotation: Rotation) -> Self {
        Self { rotation, region: Region::default() }
    }
}

impl Framing {
    /// The region in the camera's picture, before rotation.
    pub fn before_turning(self) -> Region {
        let Region { x, y, width, height } = self.region;
        let (from_right, from_below) = (1.0 - x - width, 1.0 - y - height);
        match self.rotation {
            Rotation::None => self.region,
            Rotation::Half => Region { x: from_right, y: from_below, width, height },
            Rotation::Quarter => Region { x: y, y: from_right, width: height, height: width },
            Rotation::ThreeQuarters => Region { x: from_below, y: x, width: height, height: width },
        }
    }
}

/// Clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

/// A part of a picture, in fractions (0..1) of its width and height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Region {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Default for Region {
    /// The whole picture.
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }
    }
}

/// A part of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Region {
    /// Clips to the picture. At least one pixel in size, unless the picture is empty.
    pub fn pixels(self, width: usize, height: usize) -> Window {
        let side = |start: f64, length: f64, whole: usize| {
            let pixel = |fraction: f64| (fraction * whole as f64).round() as usize;
            let first = pixel(start.clamp(0.0, 1.0)).min(whole.saturating_sub(1));
            (first, pixel((start + length).clamp(0.0, 1.0)).max(first + 1).min(whole) - first)
        };
        let ((x, width), (y, height)) = (side(self.x, self.width, width), side(self.y, self.height, height));
        Window { x, y, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_region_is_of_the_picture_as_people_see_it() {
        // The upper left quarter of the picture as it is seen.
        let region = Region { x: 0.0, y: 0.0, width: 0.5, height: 0.25 };
        let before = |rotation| Framing { rotation, region }.before_turning();
        // After a clockwise quarter turn, the lower left corner of the camera's picture is the upper left one.
        assert_eq!(before(Rotation::Quarter), Region { x: 0.0, y: 0.5, width: 0.25, height: 0.5 });
        assert_eq!(before(Rotation::Half), Region { x: 0.5, y: 0.75, width: 0.5, height: 0.25 });
        assert_eq!(before(Rotation::ThreeQuarters), Region { x: 0.75, y: 0.0, width: 0.25, height: 0.5 });
    }

    proptest! {
        #[test]
        fn a_region_has_a_pixel_and_lies_inside(
            x in 0.0f64..1.0, y in 0.0f64..1.0, width in 0.0f64..1.0, height in 0.0f64..1.0,
            columns in 1usize..5000, rows in 1usize..5000,
        ) {
            let window = Region { x, y, width, height }.pixels(columns, rows);
            prop_assert!(window.width >= 1 && window.x + window.width <= columns);
            prop_assert!(window.height >= 1 && window.y + window.height <= rows);
        }
    }
}
