//! The fused nonlinearities as operations of the graph; the way back computes them anew from their operands.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::Activation;
use super::value::{Function, Gelu, GeluTanh, Relu, Silu};
use crate::buffer::build;
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values};
use crate::vector::{Kernel, dispatch};

/// `f(x)`.
#[derive(Debug)]
pub(super) struct Activate(pub(super) Activation);

/// `f(gate) up`.
#[derive(Debug)]
pub(super) struct Gate(pub(super) Activation);

/// Values per piece of work.
const PIECE: usize = 8 * 1024;

/// Evaluates `$body` with `$f` bound to the function at hand, so that each has loops of its own.
macro_rules! with_function {
    ($which:expr, $f:ident => $body:expr) => {
        match $which {
            Activation::Gelu => {
                let $f = Gelu;
                $body
            }
            Activation::GeluTanh => {
                let $f = GeluTanh;
                $body
            }
            Activation::Silu => {
                let $f = Silu;
                $body
            }
            Activation::Relu => {
                let $f = Relu;
                $body
            }
        }
    };
}

impl Operation<1> for Activate {
    type Saved = Values;

    fn forward(&self, [x]: [Values; 1], _: [bool; 1]) -> (Values, Values) {
        let values = floats(&x);
        let out = pieces(values.len(), |at, out| {
            let x = &values[at..at + out.len()];
            with_function!(self.0, f => dispatch(Forward { f, x, up: &[], out }));
        });
        (from_floats(out, x.layout().shape().clone()), x)
    }

    fn backward(&self, x: Values, upstream: Values, _: [bool; 1]) -> [Option<Values>; 1] {
        let (values, upstream) = (floats(&x), floats(&upstream));
        let out = pieces(values.len(), |at, out| {
            let range = at..at + out.len();
            let (x, dy) = (&values[range.clone()], &upstream[range]);
            with_function!(self.0, f => dispatch(Slope { f, x, dy, out }));
        });
        [Some(from_floats(out, x.layout().shape().clone()))]
    }
}

impl Operation<2> for Gate {
    type Saved = [Values; 2];

    fn forward(&self, [gate, up]: [Values; 2], _: [bool; 2]) -> (Values, [Values; 2]) {
        let (g, u) = (floats(&gate), floats(&up));
        let out = pieces(g.len(), |at, out| {
            let range = at..at + out.len();
            let (x, up) = (&g[range.clone()], &u[range]);
            with_function!(self.0, f => dispatch(Forward { f, x, up, out }));
        });
        (from_floats(out, gate.layout().shape().clone()), [gate, up])
    }

    fn backward(&self, [gate, up]: [Values; 2], upstream: Values, _: [bool; 2]) -> [Option<Values>; 2] {
        let (g, u, dy) = (floats(&gate), floats(&up), floats(&upstream));
        let mut d_up = Vec::new();
        let d_gate = build(g.len(), |d_gate| {
            d_up = build(u.len(), |d_up| {
                let results = d_gate.par_chunks_mut(PIECE).zip(d_up.par_chunks_mut(PIECE));
                let operands = g.par_chunks(PIECE).zip(u.par_chunks(PIECE)).zip(dy.par_chunks(PIECE));
                results.zip(operands).for_each(|((d_gate, d_up), ((x, up), dy))| {
                    with_function!(self.0, f => dispatch(GateSlope { f, x, up, dy, d_gate, d_up }));
                });
            });
        });
        let shape = gate.layout().shape().clone();
        [Some(from_floats(d_gate, shape.clone())), Some(from_floats(d_up, shape))]
    }
}

/// A vector of `length` values written piece by piece in parallel: `write(first index, piece)`.
fn pieces(length: usize, write: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    build(length, |out| {
        out.par_chunks_mut(PIECE).enumerate().for_each(|(index, out)| write(index * PIECE, out));
    })
}

/// `f(x)`, times `up` where there is one.
struct Forward<'a, F> {
    f: F,
    x: &'a [f32],
    up: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl<F: Function> Kernel for Forward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if self.up.is_empty() {
            for (out, x) in self.out.iter_mut().zip(self.x) {
                out.write(self.f.value::<FMA>(*x));
            }
        } else {
            for ((out, x), up) in self.out.iter_mut().zip(self.x).zip(self.up) {
                out.write(self.f.value::<FMA>(*x) * up);
            }
        }
    }
}

/// `f'(x) dy`.
struct Slope<'a, F> {
    f: F,
    x: &'a [f32],
    dy: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl<F: Function> Kernel for Slope<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for ((out, x), dy) in self.out.iter_mut().zip(self.x).zip(self.dy) {
            out.write(self.f.both::<FMA>(*x).1 * dy);
        }
    }
}

/// `f'(x) up dy` and `f(x) dy`.
struct GateSlope<'a, F> {
    f: F,
    x: &'a [f32],
    up: &'a [f32],
    dy: &'a [f32],
    d_gate: &'a mut [MaybeUninit<f32>],
    d_up: &'a mut [MaybeUninit<f32>],
}

impl<F: Function> Kernel for GateSlope<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let results = self.d_gate.iter_mut().zip(self.d_up.iter_mut());
        for ((d_gate, d_up), ((x, up), dy)) in results.zip(self.x.iter().zip(self.up).zip(self.dy)) {
            let (value, slope) = self.f.both::<FMA>(*x);
            d_gate.write(slope * up * dy);
            d_up.write(value * dy);
        }
    }
}
