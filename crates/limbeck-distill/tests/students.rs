//! Students cut out of their teacher.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use burn::tensor::Device;
use limbeck_distill::{FreshStudent, LayerSelection, LayersStudent};
use limbeck_model::{Decoder, DecoderConfig};
use limbeck_testkit::{deeper, tiny_gpt2, tiny_llama};

fn weights(decoder: &Decoder) -> BTreeMap<String, Vec<f32>> {
    let mut weights = BTreeMap::new();
    decoder.visit(&mut |name, parameter| {
        weights.insert(name.to_string(), parameter.to_vec());
    });
    weights
}

#[test]
fn chosen_layers_keep_their_weights_and_the_rest_is_shared() {
    for config in [tiny_gpt2(), tiny_llama(), DecoderConfig { tied: false, ..tiny_llama() }] {
        let teacher = deeper(&config, 5, 3);
        let student = LayersStudent { select: LayerSelection::Even, layers: None }.build(&teacher).unwrap();
        assert_eq!(student.config().n_layers, 3);
        let (taken, given) = (weights(&student), weights(&teacher));
        for (name, values) in &taken {
            let source = match name.strip_prefix("blocks.") {
                Some(rest) => {
                    let (block, rest) = rest.split_once('.').unwrap();
                    format!("blocks.{}.{rest}", 2 * block.parse::<usize>().unwrap())
                }
                None => name.clone(),
            };
            assert_eq!(values, &given[&source], "{name}");
        }
    }
}

#[test]
fn all_layers_are_the_teacher_itself() {
    let teacher = deeper(&tiny_llama(), 3, 3);
    let all = LayersStudent { select: LayerSelection::List(vec![0, 1, 2]), layers: None };
    assert_eq!(weights(&all.build(&teacher).unwrap()), weights(&teacher));
}

#[test]
fn a_fresh_student_has_the_sizes_asked_for() {
    let sizes =
        FreshStudent { n_layers: Some(1), d_model: Some(12), n_heads: Some(3), ..FreshStudent::default() };
    let student = sizes.build(&tiny_gpt2(), 4, &Device::flex()).unwrap();
    let config = student.config();
    assert_eq!(
        (config.n_layers, config.d_model, config.n_heads, config.n_kv_heads, config.d_head),
        (1, 12, 3, 3, 4)
    );
    assert_eq!(weights(&student), weights(&sizes.build(&tiny_gpt2(), 4, &Device::flex()).unwrap()));
    let wrong = FreshStudent { d_model: Some(13), n_heads: Some(3), ..FreshStudent::default() };
    assert!(wrong.resolve(&tiny_gpt2()).unwrap_err().to_string().contains("d_model = 13"));
    let wrong = FreshStudent { n_layers: Some(0), ..FreshStudent::default() };
    assert!(wrong.resolve(&tiny_gpt2()).is_err());
}
