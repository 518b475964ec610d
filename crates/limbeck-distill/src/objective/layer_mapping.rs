//! Which student layer learns from which teacher layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Layers;
use crate::DistillError;

/// Pairs of student and teacher layers, counted from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LayerMapping {
    /// `"uniform"`: every student layer, with the teacher layer as deep in proportion.
    Named(MappingName),
    /// `[[student, teacher], ...]`.
    Pairs(Vec<[usize; 2]>),
}

/// A mapping with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MappingName {
    /// Student layer m of M (from 1) learns from teacher layer `round(m N / M)` of N, the g(m) of TinyBERT.
    Uniform,
}

impl Default for LayerMapping {
    fn default() -> Self {
        Self::Named(MappingName::Uniform)
    }
}

impl LayerMapping {
    /// The pairs (student, teacher), from 0, for networks of so many layers.
    pub fn pairs(&self, layers: Layers) -> Vec<[usize; 2]> {
        match self {
            Self::Pairs(pairs) => pairs.clone(),
            Self::Named(MappingName::Uniform) => (1..=layers.student)
                .map(|m| {
                    let depth = (2 * m * layers.teacher + layers.student) / (2 * layers.student);
                    [m - 1, depth.clamp(1, layers.teacher.max(1)) - 1]
                })
                .collect(),
        }
    }

    /// The pairs with every teacher layer that a student layer stands for: by `"uniform"` those after `g(m - 1)` up to `g(m)`
    /// (at least `g(m)` itself); listed pairs as they are.
    pub fn spans(&self, layers: Layers) -> Vec<[usize; 2]> {
        let pairs = self.pairs(layers);
        if let Self::Pairs(_) = self {
            return pairs;
        }
        let mut begin = 0;
        let mut spans = Vec::new();
        for [student, teacher] in pairs {
            spans.extend((begin.min(teacher)..=teacher).map(|layer| [student, layer]));
            begin = teacher + 1;
        }
        spans
    }

    /// Refuses pairs that do not exist.
    ///
    /// # Errors
    /// [`DistillError::LayerPair`] for a layer out of range, [`DistillError::Setting`] for an empty list.
    pub fn check(&self, name: &str, layers: Layers) -> Result<(), DistillError> {
        let pairs = self.pairs(layers);
        if pairs.is_empty() {
            return Err(DistillError::Setting {
                objective: name.to_string(),
                key: "layers",
                found: "[]".to_string(),
                right: "\"uniform\" or at least one pair [student, teacher]",
            });
        }
        match pairs.iter().find(|[student, teacher]| *student >= layers.student || *teacher >= layers.teacher)
        {
            Some(&[student, teacher]) => Err(DistillError::LayerPair {
                objective: name.to_string(),
                student,
                teacher,
                student_layers: layers.student,
                teacher_layers: layers.teacher,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_mapping_is_tinyberts_g_of_m() {
        let uniform = LayerMapping::default();
        // 4 of 12 layers: g(m) = 3 m, from 1.
        let pairs = uniform.pairs(Layers { student: 4, teacher: 12 });
        assert_eq!(pairs, vec![[0, 2], [1, 5], [2, 8], [3, 11]]);
        // The last layers always meet, whatever the ratio.
        for student in 1..8 {
            for teacher in 1..12 {
                let pairs = uniform.pairs(Layers { student, teacher });
                assert_eq!(pairs[student - 1], [student - 1, teacher - 1]);
                assert!(pairs.iter().all(|[_, t]| *t < teacher));
            }
        }
    }

    #[test]
    fn a_pair_out_of_range_is_refused() {
        let mapping = LayerMapping::Pairs(vec![[0, 1], [2, 3]]);
        let error = mapping.check("hidden_mse", Layers { student: 2, teacher: 4 }).unwrap_err();
        assert!(error.to_string().contains("student layer 2"), "{error}");
    }

    #[test]
    fn spans_hold_every_teacher_layer_once() {
        let uniform = LayerMapping::default();
        let spans = uniform.spans(Layers { student: 2, teacher: 5 });
        assert_eq!(spans, vec![[0, 0], [0, 1], [0, 2], [1, 3], [1, 4]]);
        for student in 1..8 {
            for teacher in student..12 {
                let spans = uniform.spans(Layers { student, teacher });
                let layers: Vec<usize> = spans.iter().map(|[_, layer]| *layer).collect();
                assert_eq!(layers, (0..teacher).collect::<Vec<_>>());
            }
        }
        // A student deeper than its teacher: every layer has at least one to look at.
        assert_eq!(uniform.spans(Layers { student: 3, teacher: 1 }), vec![[0, 0], [1, 0], [2, 0]]);
        let listed = LayerMapping::Pairs(vec![[0, 3]]);
        assert_eq!(listed.spans(Layers { student: 1, teacher: 4 }), vec![[0, 3]]);
    }
}
