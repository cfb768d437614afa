//! A camera's controls: exposure, focus, the frequency of the power line.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use v4l::Device;
use v4l::control::{Control, Description, Flags, MenuItem, Type, Value};

use crate::config::raw::ControlValue;

/// V4L2_CID_PRIVACY: whether a shutter covers the lens.
const PRIVACY: u32 = 0x009a_0910;

/// One control of a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ControlInfo {
    /// As v4l2-ctl writes it: `exposure_time_absolute`.
    pub name: String,
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default: i64,
    /// `None` if it cannot be read.
    pub value: Option<i64>,
    /// The items of a menu.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<(i64, String)>,
    #[serde(skip)]
    id: u32,
    #[serde(skip)]
    writable: bool,
}

/// The controls of a camera; none if its driver tells something that is not understood.
pub fn controls(device: &Device) -> Vec<ControlInfo> {
    // The library panics on types of controls that it does not know.
    let found = catch_unwind(AssertUnwindSafe(|| device.query_controls())).map(Result::unwrap_or_default);
    let usable = |control: &Description| {
        matches!(control.typ, Type::Integer | Type::Boolean | Type::Menu | Type::IntegerMenu | Type::Integer64)
            && !control.flags.contains(Flags::DISABLED)
    };
    found.unwrap_or_default().into_iter().filter(usable).map(|control| info(device, control)).collect()
}

fn info(device: &Device, control: Description) -> ControlInfo {
    let value = device.control(control.id).ok().and_then(|control| match control.value {
        Value::Integer(value) => Some(value),
        Value::Boolean(value) => Some(value.into()),
        _ => None,
    });
    let item = |(index, item): (u32, MenuItem)| (i64::from(index), item.to_string());
    ControlInfo {
        name: name(&control.name),
        minimum: control.minimum,
        maximum: control.maximum,
        step: control.step,
        default: control.default,
        value,
        items: control.items.unwrap_or_default().into_iter().map(item).collect(),
        id: control.id,
        writable: !control.flags.contains(Flags::READ_ONLY),
    }
}

/// `Exposure Time, Absolute` as v4l2-ctl writes it: `exposure_time_absolute`.
fn name(told: &str) -> String {
    let words: Vec<&str> =
        told.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_").to_ascii_lowercase()
}

/// Why a control is not set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ControlError {
    #[error("it has no control `{name}`; it has {names}")]
    None { name: String, names: String },
    #[error("its control `{0}` can only be read")]
    ReadOnly(String),
    #[error("its control `{name}` cannot be {found}; it can be {right}")]
    Value { name: String, found: String, right: String },
    #[error("its control `{name}` cannot be set to {value}: {cause}; is it in an automatic mode?")]
    Driver { name: String, value: i64, cause: String },
}

/// Sets the controls; menus first, because a number such as the exposure time only counts in its menu's manual mode.
///
/// # Errors
/// See [`ControlError`].
pub(super) fn set(device: &Device, wanted: &BTreeMap<String, ControlValue>) -> Result<(), ControlError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let known = controls(device);
    let mut chosen = wanted.iter().map(|(name, value)| choose(&known, name, value)).collect::<Result<Vec<_>, _>>()?;
    chosen.sort_by_key(|(control, _)| (control.items.is_empty(), (control.minimum, control.maximum) != (0, 1)));
    for (control, value) in chosen {
        let set = Control { id: control.id, value: Value::Integer(value) };
        let failed = |cause: std::io::Error| ControlError::Driver {
            name: control.name.clone(),
            value,
            cause: cause.to_string(),
        };
        device.set_control(set).map_err(failed)?;
    }
    Ok(())
}

/// The control of this name, and the number that it is to be set to.
fn choose<'a>(
    known: &'a [ControlInfo],
    name: &str,
    value: &ControlValue,
) -> Result<(&'a ControlInfo, i64), ControlError> {
    let Some(control) = known.iter().find(|control| control.name == name) else {
        let names: Vec<&str> =
            known.iter().filter(|control| control.writable).map(|control| control.name.as_str()).collect();
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(ControlError::None { name: name.to_owned(), names });
    };
    if !control.writable {
        return Err(ControlError::ReadOnly(name.to_owned()));
    }
    let refuse = |found: String| {
        let items: Vec<String> = control.items.iter().map(|(index, item)| format!("{index} ({item})")).collect();
        let range = format!("{} to {} in steps of {}", control.minimum, control.maximum, control.step);
        let right = if items.is_empty() { range } else { items.join(", ") };
        ControlError::Value { name: name.to_owned(), found, right }
    };
    let number = match value {
        ControlValue::Switch(on) => i64::from(*on),
        ControlValue::Number(number) => *number,
        ControlValue::Item(text) => {
            let item = control.items.iter().find(|(_, item)| item.eq_ignore_ascii_case(text));
            item.map(|(index, _)| *index).ok_or_else(|| refuse(format!("{text:?}")))?
        }
    };
    let in_steps = (i128::from(number) - i128::from(control.minimum)) % i128::from(control.step.max(1)) == 0;
    let listed = control.items.is_empty() || control.items.iter().any(|(index, _)| *index == number);
    match (control.minimum..=control.maximum).contains(&number) && in_steps && listed {
        true => Ok((control, number)),
        false => Err(refuse(number.to_string())),
    }
}

/// Whether the camera says that a shutter covers its lens.
pub(super) fn is_covered(device: &Device) -> bool {
    let privacy = device.control(PRIVACY).map(|control| control.value);
    matches!(privacy, Ok(Value::Boolean(true) | Value::Integer(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(name: &str, range: [i64; 3], items: &[(i64, &str)]) -> ControlInfo {
        let [minimum, maximum, step] = range;
        let items = items.iter().map(|(index, item)| (*index, (*item).to_owned())).collect();
        let (name, step) = (name.into(), step as u64);
        ControlInfo { name, minimum, maximum, step, default: 0, value: None, items, id: 1, writable: true }
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        assert_eq!(name("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(name("White Balance, Auto & Preset"), "white_balance_auto_preset");
    }

    #[test]
    fn values_are_checked_against_what_the_camera_has() {
        let known = [
            control("exposure_time_absolute", [10, 1000, 10], &[]),
            control("power_line_frequency", [0, 2, 1], &[(0, "Disabled"), (1, "50 Hz"), (2, "60 Hz")]),
            ControlInfo { writable: false, ..control("privacy", [0, 1, 1], &[]) },
        ];
        let chosen = |name: &str, value: ControlValue| choose(&known, name, &value).map(|(_, value)| value);
        use ControlValue::{Item, Number, Switch};
        assert_eq!(chosen("exposure_time_absolute", Number(250)), Ok(250));
        assert_eq!(chosen("power_line_frequency", Item("50 hz".into())), Ok(1));
        assert_eq!(chosen("power_line_frequency", Number(2)), Ok(2));
        let refused = [
            chosen("focus", Number(1)),
            chosen("exposure_time_absolute", Number(255)),
            chosen("exposure_time_absolute", Number(i64::MIN)),
            chosen("power_line_frequency", Item("55 Hz".into())),
            chosen("privacy", Switch(true)),
        ];
        assert_eq!(
            refused.map(|refused| refused.expect_err("refused").to_string()),
            [
                "it has no control `focus`; it has exposure_time_absolute, power_line_frequency",
                "its control `exposure_time_absolute` cannot be 255; it can be 10 to 1000 in steps of 10",
                "its control `exposure_time_absolute` cannot be -9223372036854775808; it can be 10 to 1000 in steps of 10",
                "its control `power_line_frequency` cannot be \"55 Hz\"; it can be 0 (Disabled), 1 (50 Hz), 2 (60 Hz)",
                "its control `privacy` can only be read",
            ]
        );
    }
}
