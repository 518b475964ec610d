//! A student made of some of its teacher's layers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use limbeck_model::{Decoder, DecoderConfig, ModelError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::DistillError;

/// A student of the teacher's chosen layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayersStudent {
    /// Which layers.
    pub select: LayerSelection,
    /// How many layers `first_last` keeps; half of the teacher's, rounded up, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
}

/// Which of the teacher's layers, counted from 0, a student keeps. In a recipe: `"even"`, `"every 2nd"`,
/// `"first_last"` or a list such as `[0, 2, 4, 7, 9, 11]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerSelection {
    /// 0, 2, 4, ...
    Even,
    /// 0, n, 2 n, ...
    Every(usize),
    /// Spread evenly with the first and the last kept: layer `round(i (N - 1) / (m - 1))` for i < m. For 6 of 12 this is
    /// 0, 2, 4, 7, 9, 11, the layers DistilGPT-2 was initialised with.
    FirstLast,
    /// These, in this order.
    List(Vec<usize>),
}

impl LayersStudent {
    /// The teacher's layers this student keeps, for a teacher of so many.
    ///
    /// # Errors
    /// [`DistillError::Student`] for an empty, repeated or impossible choice.
    pub fn indices(&self, teacher_layers: usize) -> Result<Vec<usize>, DistillError> {
        let refuse = |reason: String| Err(DistillError::Student { reason });
        if self.layers.is_some() && self.select != LayerSelection::FirstLast {
            return refuse(format!(
                "`layers` goes with select = \"first_last\" only, not with {}",
                self.select
            ));
        }
        let chosen: Vec<usize> = match &self.select {
            LayerSelection::Even => (0..teacher_layers).step_by(2).collect(),
            LayerSelection::Every(stride) => (0..teacher_layers).step_by((*stride).max(1)).collect(),
            LayerSelection::FirstLast => {
                let kept = self.layers.unwrap_or(teacher_layers.div_ceil(2));
                if kept < 2 || kept > teacher_layers {
                    return refuse(format!(
                        "first_last keeps 2 to {teacher_layers} layers of this teacher, not {kept}"
                    ));
                }
                let gaps = kept - 1;
                (0..kept).map(|i| (2 * i * (teacher_layers - 1) + gaps) / (2 * gaps)).collect()
            }
            LayerSelection::List(list) => list.clone(),
        };
        if chosen.is_empty() {
            return refuse("no layer is chosen".to_string());
        }
        if let Some(layer) = chosen.iter().find(|layer| **layer >= teacher_layers) {
            return refuse(format!(
                "layer {layer} is chosen, but the teacher's layers are 0 to {}",
                teacher_layers - 1
            ));
        }
        match chosen.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => refuse(format!("layers must ascend, but {} stands before {}", pair[0], pair[1])),
            None => Ok(chosen),
        }
    }

    /// The student's configuration: the teacher's with fewer layers.
    ///
    /// # Errors
    /// As [`LayersStudent::indices`].
    pub fn config(&self, teacher: &DecoderConfig) -> Result<DecoderConfig, DistillError> {
        Ok(DecoderConfig { n_layers: self.indices(teacher.n_layers)?.len(), ..teacher.clone() })
    }

    /// A decoder of copies of the chosen layers, the embeddings, the final norm and the head.
    ///
    /// # Errors
    /// As [`LayersStudent::indices`].
    pub fn build(&self, teacher: &Decoder) -> Result<Decoder, DistillError> {
        let chosen = self.indices(teacher.config().n_layers)?;
        let mut weights: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        teacher.visit(&mut |name, parameter| {
            if let Some(name) = renamed(name, &chosen) {
                weights.insert(name, parameter.to_vec());
            }
        });
        let mut take = |name: &str, _shape: &[usize]| {
            weights.remove(name).ok_or_else(|| ModelError::MissingWeight { name: name.to_string() })
        };
        let device = teacher.device().inner();
        Ok(Decoder::from_parameters(&self.config(teacher.config())?, &mut take, &device)?)
    }
}

/// The student's name of a teacher's parameter; `None` when its layer is left out.
fn renamed(name: &str, chosen: &[usize]) -> Option<String> {
    let Some(rest) = name.strip_prefix("blocks.") else {
        return Some(name.to_string());
    };
    let (block, rest) = rest.split_once('.')?;
    let block: usize = block.parse().ok()?;
    let place = chosen.iter().position(|layer| *layer == block)?;
    Some(format!("blocks.{place}.{rest}"))
}

impl fmt::Display for LayerSelection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even => out.write_str("even"),
            Self::Every(1) => out.write_str("every 1st"),
            Self::Every(2) => out.write_str("every 2nd"),
            Self::Every(3) => out.write_str("every 3rd"),
            Self::Every(stride) => write!(out, "every {stride}th"),
            Self::FirstLast => out.write_str("first_last"),
            Self::List(list) => write!(out, "{list:?}"),
        }
    }
}

impl FromStr for LayerSelection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let every = |text: &str| {
            let number = text.strip_prefix("every ")?;
            let digits = number.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
            let ending = &number[digits.len()..];
            let stride = digits.parse().ok().filter(|stride| *stride > 0)?;
            ["", "st", "nd", "rd", "th"].contains(&ending).then_some(Self::Every(stride))
        };
        match text {
            "even" => Ok(Self::Even),
            "first_last" => Ok(Self::FirstLast),
            other => every(other).ok_or_else(|| {
                format!("`{other}` chooses no layers; there are \"even\", \"every 2nd\", \"first_last\" and lists like [0, 2, 4]")
            }),
        }
    }
}

impl Serialize for LayerSelection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::List(list) => list.serialize(serializer),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for LayerSelection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = LayerSelection;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("\"even\", \"every 2nd\", \"first_last\" or a list of layers")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut layers = Vec::new();
                while let Some(layer) = list.next_element()? {
                    layers.push(layer);
                }
                Ok(LayerSelection::List(layers))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for LayerSelection {
    fn schema_name() -> Cow<'static, str> {
        "LayerSelection".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which of the teacher's layers, counted from 0, a student keeps.",
            "anyOf": [
                { "enum": ["even", "first_last"] },
                { "type": "string", "pattern": "^every [1-9][0-9]*(st|nd|rd|th)?$" },
                { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(text: &str, teacher: usize) -> Result<Vec<usize>, DistillError> {
        serde_json::from_str::<LayersStudent>(text).unwrap().indices(teacher)
    }

    #[test]
    fn selections_read_and_choose() {
        assert_eq!(indices(r#"{"select": "even"}"#, 5).unwrap(), vec![0, 2, 4]);
        assert_eq!(indices(r#"{"select": "every 3rd"}"#, 8).unwrap(), vec![0, 3, 6]);
        assert_eq!(indices(r#"{"select": [0, 4]}"#, 5).unwrap(), vec![0, 4]);
        // The layers of DistilGPT-2.
        assert_eq!(indices(r#"{"select": "first_last"}"#, 12).unwrap(), vec![0, 2, 4, 7, 9, 11]);
        assert_eq!(indices(r#"{"select": "first_last", "layers": 2}"#, 9).unwrap(), vec![0, 8]);
        assert_eq!(indices(r#"{"select": "even"}"#, 30).unwrap().len(), 15);
    }

    #[test]
    fn impossible_choices_are_refused() {
        for text in [
            r#"{"select": [0, 5]}"#,
            r#"{"select": [2, 1]}"#,
            r#"{"select": []}"#,
            r#"{"select": "first_last", "layers": 6}"#,
            r#"{"select": "even", "layers": 2}"#,
        ] {
            assert!(indices(text, 5).is_err(), "{text}");
        }
        for text in
            [r#"{"select": "odd"}"#, r#"{"select": "every 0th"}"#, r#"{"select": "even", "layer": 2}"#]
        {
            assert!(serde_json::from_str::<LayersStudent>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["even", "first_last", "every 2nd", "every 5th"] {
            let selection: LayerSelection = text.parse().unwrap();
            assert_eq!(selection.to_string(), text);
        }
    }
}
