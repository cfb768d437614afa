//! The views: what is looked at, and by which rules.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::super::interval::Interval;
use super::labelling::*;
use crate::decide::rules::DisagreementChoice;
use crate::domain::settings::PrecisionChoice;

/// One question to one camera: a part of its picture, the model that looks at it, and the rules for its labels.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawView {
    /// Which camera it looks through: the name of a `[cameras.NAME]`. It may be left out where there is only one camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// What people call it. Default: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is looked at from the start.
    pub enabled: bool,
    /// Which part of the picture it is.
    pub region: RawRoi,
    /// Name of the model that labels it. Default: `active` in `[model]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Instead of `precision` in `[model]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<PrecisionChoice>,
    /// At most so many of its frames a second are labelled. Default: `max_fps` in `[gate]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
    /// What it has instead of keys in `[labels]`.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: RawLabelsOver,
    /// What it has instead of keys in `[gate]`.
    #[serde(skip_serializing_if = "is_default")]
    pub gate: RawGateOver,
    /// What it has instead of keys in `[accurate]`, or `false`: no second opinion on it.
    #[serde(deserialize_with = "table_or_switch", skip_serializing_if = "is_default")]
    #[schemars(schema_with = "table_or_switch_schema")]
    pub accurate: RawAccurateOver,
}

impl Default for RawView {
    fn default() -> Self {
        Self {
            camera: None,
            name: None,
            enabled: true,
            region: RawRoi::default(),
            model: None,
            precision: None,
            max_fps: None,
            labels: RawLabelsOver::default(),
            gate: RawGateOver::default(),
            accurate: RawAccurateOver::default(),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A table of a view with some of the keys of a shared table.
macro_rules! overlay {
    ($(#[$doc:meta])* $name:ident over $base:ident { $($key:ident: $kind:ty),* $(,)? } as $table:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = concat!("Instead of `", stringify!($key), "` in `[", $table, "]`.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$kind>,
            )*
        }

        impl $name {
            /// The shared table with the view's own keys in place of its keys.
            pub fn over(&self, shared: &$base) -> $base {
                let mut merged = shared.clone();
                $(if let Some(own) = &self.$key {
                    merged.$key = own.clone().into();
                })*
                merged
            }
        }
    };
}

overlay! {
    /// What a view has instead of keys in `[labels]`.
    RawLabelsOver over RawLabels {
        top_k: u32,
        unknown_below: f64,
        smoothing: SmoothingChoice,
        half_life: Interval,
        window: u32,
        enter: f64,
        keep: f64,
        margin: f64,
        consecutive: u32,
        hold: Interval,
        allow: Vec<String>,
        deny: Vec<String>,
        groups: PathBuf,
    } as "labels"
}

overlay! {
    /// What a view has instead of keys in `[gate]`.
    RawGateOver over RawGate {
        min_luma: f64,
        min_change: f64,
    } as "gate"
}

overlay! {
    /// What a view has instead of keys in `[accurate]`.
    RawAccurateOver over RawAccurate {
        enabled: bool,
        model: String,
        every: Interval,
        when_unsure: bool,
        unsure_margin: f64,
        unsure_entropy: f64,
        max_duty: f64,
        disagreement: DisagreementChoice,
    } as "accurate"
}

/// `false` and `true` stand for a table with that value of `enabled`.
fn table_or_switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RawAccurateOver, D::Error> {
    struct TableOrSwitch;

    impl<'de> Visitor<'de> for TableOrSwitch {
        type Value = RawAccurateOver;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a table or false")
        }

        fn visit_bool<E>(self, enabled: bool) -> Result<RawAccurateOver, E> {
            Ok(RawAccurateOver { enabled: Some(enabled), ..RawAccurateOver::default() })
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAccurateOver, A::Error> {
            RawAccurateOver::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(TableOrSwitch)
}

fn table_or_switch_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = RawAccurateOver::json_schema(generator);
    schema.insert("type".into(), serde_json::json!(["object", "boolean"]));
    schema
}
