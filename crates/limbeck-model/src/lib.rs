//! Decoders and classifiers, sites and interventions, weights in and out, tokenizers, generation.
