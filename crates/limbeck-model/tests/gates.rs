//! Gates against interventions: what is removed is removed, row by row, and means leave padding out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_model::{
    Action, Both, Capture, Components, Decoder, DecoderConfig, Fill, Gates, Intervention, Interventions,
    NoTap, Removed, Site, SiteKind, Sizes, TokenBatch,
};

const COMPONENTS: Components = Components { layers: 2, heads: 4 };

fn decoder(config: fn(Sizes) -> DecoderConfig) -> Decoder {
    let sizes = Sizes {
        vocab_size: 23,
        d_model: 16,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 24,
        max_positions: 32,
    };
    Decoder::init(&config(sizes), 3, &Device::flex()).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn removed(row_components: &[(usize, usize)], rows: usize) -> Removed {
    let mut mask = vec![false; rows * COMPONENTS.count()];
    for &(row, component) in row_components {
        mask[row * COMPONENTS.count() + component] = true;
    }
    Removed { components: COMPONENTS, mask }
}

#[test]
fn a_removed_component_is_one_set_to_zero_in_its_row_only() {
    for config in [DecoderConfig::gpt2, DecoderConfig::llama] {
        let decoder = decoder(config);
        let batch = TokenBatch::new(&[vec![1u32, 5, 9, 13], vec![2, 4, 6, 8]], &Device::flex()).unwrap();
        let plain = values(decoder.hidden(&batch, &mut NoTap));
        let (head, mlp) = (COMPONENTS.index(0, 2), COMPONENTS.index(1, 4));
        let gone = removed(&[(1, head), (1, mlp)], 2);
        let mut gates = Gates::removing(&gone, Fill::Zero, &batch, &Device::flex());
        let found = values(decoder.hidden(&batch, &mut gates));
        let zero = |site, head| Intervention { site, head, action: Action::Zero };
        let mut both = Interventions::new(vec![
            zero(Site::block(0, SiteKind::Z), Some(2)),
            zero(Site::block(1, SiteKind::MlpOut), None),
        ]);
        let expected = values(decoder.hidden(&batch, &mut both));
        let row = plain.len() / 2;
        assert_eq!(found[..row], plain[..row], "the first row keeps everything");
        for (found, expected) in found[row..].iter().zip(&expected[row..]) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
        assert_ne!(found[row..], plain[row..]);
    }
}

#[test]
fn a_mean_leaves_padding_out() {
    let decoder = decoder(DecoderConfig::llama);
    let batch = TokenBatch::new(&[vec![1u32, 5, 9, 13], vec![2, 4]], &Device::flex()).unwrap();
    let site = Site::block(1, SiteKind::MlpOut);
    let mut before = Capture::new([site]);
    decoder.hidden(&batch, &mut before);
    let before = values(before.get3(site).unwrap());
    let mean: Vec<f32> = (0..16)
        .map(|at| [0, 1, 2, 3, 4, 5].iter().map(|token| before[token * 16 + at]).sum::<f32>() / 6.0)
        .collect();
    let gone = removed(&[(1, COMPONENTS.index(1, 4))], 2);
    let mut gates = Gates::removing(&gone, Fill::Mean, &batch, &Device::flex());
    let mut after = Capture::new([site]);
    decoder.hidden(&batch, &mut Both(&mut gates, &mut after));
    let after = values(after.get3(site).unwrap());
    for (token, row) in after.chunks(16).enumerate() {
        let expected = if token < 4 { &before[token * 16..token * 16 + 16] } else { &mean[..] };
        for (found, expected) in row.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "token {token}: {found} instead of {expected}");
        }
    }
}

#[test]
fn gates_of_one_change_nothing_and_gates_of_zero_remove() {
    let decoder = decoder(DecoderConfig::gpt2);
    let batch = TokenBatch::new(&[vec![1u32, 5, 9], vec![2, 4, 6]], &Device::flex()).unwrap();
    let plain = values(decoder.hidden(&batch, &mut NoTap));
    let pass = |gates: Vec<f32>, fill| {
        let gates = Tensor::from_data(TensorData::new(gates, [COMPONENTS.count()]), &Device::flex());
        values(decoder.hidden(&batch, &mut Gates::of(gates, COMPONENTS, fill, &batch)))
    };
    assert_eq!(pass(vec![1.0; 10], Fill::Zero), plain);
    for (found, expected) in pass(vec![1.0; 10], Fill::Mean).iter().zip(&plain) {
        assert!((found - expected).abs() < 1e-5);
    }
    let mut gates = vec![1.0; 10];
    gates[COMPONENTS.index(1, 0)] = 0.0;
    for fill in [Fill::Zero, Fill::Mean] {
        let index = COMPONENTS.index(1, 0);
        let mut tap = Gates::removing(&removed(&[(0, index), (1, index)], 2), fill, &batch, &Device::flex());
        let expected = values(decoder.hidden(&batch, &mut tap));
        for (found, expected) in pass(gates.clone(), fill).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
