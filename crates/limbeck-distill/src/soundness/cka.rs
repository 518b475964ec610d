//! Centred kernel alignment of two sets of activations.

use burn::tensor::Tensor;

/// Keeps activations without variance from dividing 0 by 0.
const TINY: f64 = 1e-24;

/// Linear CKA of activations `[n, p]` and `[n, q]` over the same n tokens, `[1]`, from 0 to 1:
///
/// `|Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F)`, the columns of X and Y centred.
///
/// Unchanged by a rotation or a scaling of either side, so that heads of different widths can be compared.
///
/// Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3.
pub fn linear_cka(x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let centred = |values: Tensor<2>| values.clone() - values.mean_dim(0);
    // At a scale of 1 the squares of squares neither overflow nor vanish.
    let scaled = |values: Tensor<2>| {
        let size = ((values.clone() * values.clone()).mean() + TINY).sqrt();
        values / size.unsqueeze_dim(0)
    };
    let (x, y) = (scaled(centred(x)), scaled(centred(y)));
    let squared = |a: Tensor<2>, b: Tensor<2>| {
        let product = a.transpose().matmul(b);
        (product.clone() * product).sum()
    };
    let across = squared(y.clone(), x.clone());
    let within = squared(x.clone(), x) * squared(y.clone(), y);
    across / (within + TINY).sqrt()
}
