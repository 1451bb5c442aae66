//! The local embedder on a small sentence transformer with made up weights, against the same arithmetic written out in
//! 64-bit numbers.

#![cfg(test)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a few rows and numbers around 1, on their way to and from 32 bits"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use model::{Embedder, EmbedderConfig, Error, LocalEmbedder};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

const SIZE: usize = 8;
const HEADS: usize = 2;
const LAYERS: usize = 2;
const WIDE: usize = 12;
const POSITIONS: usize = 10;
const WORDS: [&str; 12] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "sea", "is", "cold", "warm", "##er", "today", "."];

/// A tensor by its shape and its numbers, row by row.
#[derive(Debug, Clone)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

type Weights = BTreeMap<String, Numbers>;

/// Weights between −0.5 and 0.5, those that scale around 1; each `seed` gives others.
fn made_up(seed: u64) -> Weights {
    let mut state = seed;
    let mut weights = Weights::new();
    let mut add = |name: String, shape: &[usize]| {
        let around = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let values = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // As the file keeps it, so that both sides start from the same numbers.
                f64::from(
                    (around + f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1 << 24) - 0.5)
                        as f32,
                )
            })
            .collect();
        weights.insert(name, Numbers { shape: shape.to_vec(), values });
    };
    add("embeddings.word_embeddings.weight".into(), &[WORDS.len(), SIZE]);
    add("embeddings.position_embeddings.weight".into(), &[POSITIONS, SIZE]);
    add("embeddings.token_type_embeddings.weight".into(), &[2, SIZE]);
    add("embeddings.LayerNorm.weight".into(), &[SIZE]);
    add("embeddings.LayerNorm.bias".into(), &[SIZE]);
    for layer in 0..LAYERS {
        for (part, to, from) in [
            ("attention.self.query", SIZE, SIZE),
            ("attention.self.key", SIZE, SIZE),
            ("attention.self.value", SIZE, SIZE),
            ("attention.output.dense", SIZE, SIZE),
            ("intermediate.dense", WIDE, SIZE),
            ("output.dense", SIZE, WIDE),
        ] {
            add(format!("encoder.layer.{layer}.{part}.weight"), &[to, from]);
            add(format!("encoder.layer.{layer}.{part}.bias"), &[to]);
        }
        for part in ["attention.output", "output"] {
            add(format!("encoder.layer.{layer}.{part}.LayerNorm.weight"), &[SIZE]);
            add(format!("encoder.layer.{layer}.{part}.LayerNorm.bias"), &[SIZE]);
        }
    }
    weights
}

fn write_weights(directory: &Path, weights: &Weights, prefix: &str, kind: Dtype) {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, numbers)| {
            let bytes = numbers.values.iter().flat_map(|value| match kind {
                Dtype::F32 => (*value as f32).to_le_bytes().to_vec(),
                // The upper half of a 32-bit number.
                Dtype::BF16 => (*value as f32).to_le_bytes()[2..].to_vec(),
                Dtype::F64 => value.to_le_bytes().to_vec(),
                other => panic!("{other:?} is not written here"),
            });
            (format!("{prefix}{name}"), numbers.shape.clone(), bytes.collect())
        })
        .collect();
    let counted: Vec<u8> = (0_i64..).take(POSITIONS).flat_map(i64::to_le_bytes).collect();
    let mut views: Vec<(String, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, shape, bytes)| (name.clone(), TensorView::new(kind, shape.clone(), bytes).unwrap()))
        .collect();
    views.push((
        format!("{prefix}embeddings.position_ids"),
        TensorView::new(Dtype::I64, vec![1, POSITIONS], &counted).unwrap(),
    ));
    fs::write(directory.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn config() -> Value {
    json!({
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": SIZE,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": WIDE, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0
    })
}

/// A tokenizer that pads and cuts everything to 128 tokens, as published ones do.
fn tokenizer() -> Value {
    let vocabulary: BTreeMap<&str, usize> = WORDS.into_iter().zip(0..).collect();
    let special = |id: usize| {
        json!({"id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let named = |id: usize| json!({"id": WORDS[id], "ids": [id], "tokens": [WORDS[id]]});
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": named(2), "[SEP]": named(3)}
        },
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

fn write_json(directory: &Path, file: &str, value: &Value) {
    let path = directory.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// A directory with the three files it takes.
fn bare() -> TempDir {
    let directory = TempDir::new().unwrap();
    write_json(directory.path(), "config.json", &config());
    write_json(directory.path(), "tokenizer.json", &tokenizer());
    write_weights(directory.path(), &made_up(1), "", Dtype::F32);
    directory
}

fn open(directory: &TempDir) -> LocalEmbedder {
    LocalEmbedder::open(directory.path()).unwrap()
}

fn embed(embedder: &LocalEmbedder, texts: &[&str]) -> Vec<Vec<f32>> {
    embedder.embed(texts, || true).unwrap()
}

/// What is wrong with a directory.
fn refusal(directory: &TempDir) -> String {
    match LocalEmbedder::open(directory.path()) {
        Err(Error::Configuration(text)) => text,
        other => panic!("{other:?}"),
    }
}

mod by_hand {
    //! The encoder of Devlin et al., "BERT" (2019), one number at a time.

    use super::{HEADS, LAYERS, SIZE, Weights};

    type Rows = Vec<Vec<f64>>;

    fn linear(weights: &Weights, name: &str, rows: &Rows) -> Rows {
        let (weight, bias) = (&weights[&format!("{name}.weight")], &weights[&format!("{name}.bias")]);
        let from = weight.shape[1];
        let one = |row: &Vec<f64>, to: usize| {
            bias.values[to]
                + row.iter().zip(&weight.values[to * from..(to + 1) * from]).map(|(x, w)| x * w).sum::<f64>()
        };
        rows.iter().map(|row| (0..weight.shape[0]).map(|to| one(row, to)).collect()).collect()
    }

    fn normalised(weights: &Weights, name: &str, rows: Rows) -> Rows {
        let (weight, bias) = (&weights[&format!("{name}.weight")], &weights[&format!("{name}.bias")]);
        rows.into_iter()
            .map(|row| {
                let mean = row.iter().sum::<f64>() / SIZE as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / SIZE as f64;
                row.iter()
                    .enumerate()
                    .map(|(at, x)| {
                        (x - mean) / (variance + 1e-12).sqrt() * weight.values[at] + bias.values[at]
                    })
                    .collect()
            })
            .collect()
    }

    fn sum(one: &Rows, other: &Rows) -> Rows {
        one.iter().zip(other).map(|(a, b)| a.iter().zip(b).map(|(x, y)| x + y).collect()).collect()
    }

    /// The error function by its series, which for what occurs here is exact to 1e-12.
    fn erf(x: f64) -> f64 {
        let (mut term, mut total) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        total * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn attention(weights: &Weights, name: &str, rows: &Rows) -> Rows {
        let [query, key, value] =
            ["query", "key", "value"].map(|part| linear(weights, &format!("{name}.self.{part}"), rows));
        let width = SIZE / HEADS;
        let mut mixed = vec![vec![0.0; SIZE]; rows.len()];
        for head in 0..HEADS {
            let own = head * width..(head + 1) * width;
            for (at, mixed) in mixed.iter_mut().enumerate() {
                let weights: Vec<f64> = key
                    .iter()
                    .map(|key| {
                        let dot: f64 = own.clone().map(|x| query[at][x] * key[x]).sum();
                        (dot / (width as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for x in own.clone() {
                    mixed[x] =
                        weights.iter().zip(&value).map(|(weight, value)| weight / total * value[x]).sum();
                }
            }
        }
        linear(weights, &format!("{name}.output.dense"), &mixed)
    }

    /// The vectors of tokens.
    pub(crate) fn encoded(weights: &Weights, ids: &[usize]) -> Rows {
        let row = |table: &str, at: usize| {
            weights[&format!("embeddings.{table}_embeddings.weight")].values[at * SIZE..(at + 1) * SIZE]
                .to_vec()
        };
        let rows = ids
            .iter()
            .enumerate()
            .map(|(at, id)| {
                let parts = [row("word", *id), row("position", at), row("token_type", 0)];
                (0..SIZE).map(|x| parts.iter().map(|part| part[x]).sum()).collect()
            })
            .collect();
        let mut rows = normalised(weights, "embeddings.LayerNorm", rows);
        for layer in 0..LAYERS {
            let name = format!("encoder.layer.{layer}");
            let attended = attention(weights, &format!("{name}.attention"), &rows);
            rows = normalised(weights, &format!("{name}.attention.output.LayerNorm"), sum(&attended, &rows));
            let mut wide = linear(weights, &format!("{name}.intermediate.dense"), &rows);
            for x in wide.iter_mut().flatten() {
                *x *= 0.5 * (1.0 + erf(*x / std::f64::consts::SQRT_2));
            }
            let narrow = linear(weights, &format!("{name}.output.dense"), &wide);
            rows = normalised(weights, &format!("{name}.output.LayerNorm"), sum(&narrow, &rows));
        }
        rows
    }

    pub(crate) fn mean(rows: &Rows) -> Vec<f64> {
        (0..SIZE).map(|x| rows.iter().map(|row| row[x]).sum::<f64>() / rows.len() as f64).collect()
    }
}

fn assert_near(made: &[f32], expected: &[f64]) {
    let length = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert_eq!(made.len(), expected.len());
    for (made, expected) in made.iter().zip(expected) {
        assert!((f64::from(*made) - expected / length).abs() < 1e-5, "{made} {}", expected / length);
    }
}

#[test]
fn vectors_are_what_the_arithmetic_says() {
    let directory = bare();
    let made = embed(&open(&directory), &["The sea is COLDER today.", "warm", "", "Zebra!"]);
    let weights = made_up(1);
    let expected = [&[2, 4, 5, 6, 7, 9, 10, 11, 3][..], &[2, 8, 3], &[2, 3], &[2, 1, 1, 3]]
        .map(|ids| by_hand::encoded(&weights, ids));
    for (made, expected) in made.iter().zip(&expected) {
        assert_near(made, &by_hand::mean(expected));
    }

    let flags = json!({"word_embedding_dimension": SIZE, "pooling_mode_cls_token": true,
                       "pooling_mode_mean_tokens": false, "pooling_mode_max_tokens": false});
    for pooling in [flags, json!({"embedding_dimension": SIZE, "pooling_mode": "cls"})] {
        write_json(directory.path(), "1_Pooling/config.json", &pooling);
        let first = embed(&open(&directory), &["The sea is COLDER today."]);
        assert_near(&first[0], &expected[0][0]);
    }
}

#[test]
fn a_vector_depends_on_nothing_but_its_text() {
    let embedder = open(&bare());
    let long = "sea ".repeat(5000);
    let texts = [
        "the sea",
        "",
        "the sea is cold today.",
        "warm",
        "the sea",
        "cold",
        &long,
        ".",
        "cold",
        "is warm",
        "the sea",
    ];
    let together = embed(&embedder, &texts);
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(vector, &embed(&embedder, &[text])[0], "{text:?} alone");
    }
    let mut backwards = embed(&embedder, &texts.iter().rev().copied().collect::<Vec<_>>());
    backwards.reverse();
    assert_eq!(together, backwards);
    assert_ne!(together[0], together[5]);
    assert_eq!(embed(&embedder, &[]), Vec::<Vec<f32>>::new());
}

#[test]
fn long_texts_are_the_mean_of_their_passages_by_tokens() {
    let directory = bare();
    let weights = made_up(1);
    let text = "the sea is cold today . the sea is warm today .";
    // As many tokens as there are positions, two of them added.
    let passages: [&[usize]; 2] = [&[2, 4, 5, 6, 7, 10, 11, 4, 5, 3], &[2, 6, 8, 10, 11, 3]];
    let mean = |passages: &[&[usize]]| {
        let mut sum = vec![0.0; SIZE];
        for passage in passages {
            let vector = by_hand::mean(&by_hand::encoded(&weights, passage));
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            for (sum, x) in sum.iter_mut().zip(vector) {
                *sum += passage.len() as f64 * x / length;
            }
        }
        sum
    };
    assert_near(&embed(&open(&directory), &[text])[0], &mean(&passages));

    write_json(
        directory.path(),
        "sentence_bert_config.json",
        &json!({"max_seq_length": 5, "do_lower_case": false}),
    );
    let made = embed(&open(&directory), &["the sea is cold", "the sea is"]);
    assert_near(&made[0], &mean(&[&[2, 4, 5, 6, 3], &[2, 7, 3]]));
    assert_near(&made[1], &mean(&[&[2, 4, 5, 6, 3]]));
}

#[test]
fn weights_may_be_half_as_precise_and_carry_the_name_of_their_kind() {
    let directory = bare();
    write_weights(directory.path(), &made_up(1), "bert.", Dtype::BF16);
    let embedder = open(&directory);
    let mut weights = made_up(1);
    for value in weights.values_mut().flat_map(|numbers| &mut numbers.values) {
        *value = f64::from(f32::from_bits((*value as f32).to_bits() & 0xffff_0000));
    }
    let expected = by_hand::encoded(&weights, &[2, 4, 5, 3]);
    assert_near(&embed(&embedder, &["The sea"])[0], &by_hand::mean(&expected));
}

#[test]
fn a_name_stands_for_the_files_and_not_for_their_place() {
    let (one, other) = (bare(), bare());
    let name = open(&one).name().to_owned();
    assert!(name.starts_with("local/bert-8@") && name.len() == "local/bert-8@".len() + 12, "{name}");
    assert_eq!(open(&other).name(), name);

    let mut names = vec![name];
    write_weights(other.path(), &made_up(2), "", Dtype::F32);
    names.push(open(&other).name().to_owned());
    write_json(other.path(), "sentence_bert_config.json", &json!({"max_seq_length": 5}));
    names.push(open(&other).name().to_owned());
    write_json(
        other.path(),
        "sentence_bert_config.json",
        &json!({"max_seq_length": 5, "do_lower_case": true}),
    );
    names.push(open(&other).name().to_owned());
    write_json(other.path(), "1_Pooling/config.json", &json!({"pooling_mode_cls_token": true}));
    names.push(open(&other).name().to_owned());
    let mut without_lower_case = tokenizer();
    without_lower_case["normalizer"]["lowercase"] = json!(false);
    write_json(other.path(), "tokenizer.json", &without_lower_case);
    names.push(open(&other).name().to_owned());
    let mut cruder = config();
    cruder["hidden_act"] = json!("relu");
    write_json(other.path(), "config.json", &cruder);
    names.push(open(&other).name().to_owned());
    let different: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), 7, "{names:?}");
}

#[test]
fn every_refusal_names_the_file_and_what_it_should_be() {
    let nowhere = LocalEmbedder::open(Path::new("/nowhere/minilm")).unwrap_err().to_string();
    assert!(nowhere.contains("EMBEDDER is \"/nowhere/minilm\""), "{nowhere}");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let directory = bare();
        fs::remove_file(directory.path().join(file)).unwrap();
        assert!(refusal(&directory).contains(&format!("{file}: expected this file to be there")), "{file}");
        fs::write(directory.path().join(file), "{").unwrap();
        assert!(refusal(&directory).contains(&format!("{file}: expected")), "{file}");
    }

    let settings: [(&str, Value, &str); 8] = [
        (
            "config.json",
            json!({"model_type": "mpnet"}),
            "expected model_type \"bert\" (BERT, MiniLM), got \"mpnet\"",
        ),
        ("config.json", json!({"num_attention_heads": 3}), "got 8 and 3"),
        ("config.json", json!({"num_attention_heads": 0}), "got 8 and 0"),
        ("config.json", json!({"hidden_act": "swish"}), "swish"),
        ("config.json", json!({"position_embedding_type": "relative_key"}), "relative_key"),
        ("config.json", json!({"pad_token_id": 12}), "pad_token_id below vocab_size"),
        ("sentence_bert_config.json", json!({"max_seq_length": 2}), "above the 2 tokens"),
        ("1_Pooling/config.json", json!({"pooling_mode_max_tokens": true}), "got [\"max_tokens\"]"),
    ];
    for (file, changes, expected) in settings {
        let directory = bare();
        let mut value = if file == "config.json" { config() } else { json!({}) };
        value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        write_json(directory.path(), file, &value);
        let text = refusal(&directory);
        assert!(text.contains(&format!("{file}: expected")) && text.contains(expected), "{changes}: {text}");
    }

    let directory = bare();
    let mut small = config();
    small["vocab_size"] = json!(11);
    write_json(directory.path(), "config.json", &small);
    let text = refusal(&directory);
    assert!(
        text.contains("tokenizer.json: expected tokens below the vocab_size 11 of config.json, got 11"),
        "{text}"
    );

    let directory = bare();
    write_json(
        directory.path(),
        "modules.json",
        &json!([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}]),
    );
    assert!(refusal(&directory).contains("got sentence_transformers.models.Dense in \"2_Dense\""));
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let refused = |change: fn(&mut Weights), kind: Dtype| {
        let directory = bare();
        let mut weights = made_up(1);
        change(&mut weights);
        write_weights(directory.path(), &weights, "", kind);
        refusal(&directory)
    };
    let missing = refused(|weights| drop(weights.remove("encoder.layer.1.output.dense.bias")), Dtype::F32);
    assert!(missing.contains("encoder.layer.1.output.dense.bias"), "{missing}");
    let wide = refused(
        |weights| {
            let numbers = weights.get_mut("encoder.layer.0.intermediate.dense.weight").unwrap();
            numbers.shape = vec![SIZE, WIDE];
        },
        Dtype::F32,
    );
    assert!(wide.contains("model.safetensors: expected the weights that config.json describes"), "{wide}");
    let doubles = refused(|_| (), Dtype::F64);
    assert!(doubles.contains("expected numbers of type F32, F16 or BF16, got F64 in "), "{doubles}");
    let not_numbers = refused(
        |weights| weights.get_mut("embeddings.word_embeddings.weight").unwrap().values.fill(f64::NAN),
        Dtype::F32,
    );
    assert!(not_numbers.contains("expected weights that embed"), "{not_numbers}");

    let directory = bare();
    let path = directory.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    assert!(refusal(&directory).contains("expected safetensors"), "{}", refusal(&directory));
}

#[test]
fn nobody_waits_and_nothing_is_embedded() {
    let embedder = open(&bare());
    assert!(matches!(embedder.embed(&["the sea"], || false), Err(Error::Transient(_))));
    assert_eq!(embedder.embed(&[], || false), Ok(Vec::new()));
}

#[tokio::test(flavor = "current_thread")]
async fn it_embeds_beside_the_runtime_and_in_the_texts_order() {
    let directory = bare();
    let embedder = Embedder::new(&EmbedderConfig::Local(directory.path().to_owned())).unwrap();
    let alone = open(&directory);
    assert_eq!(embedder.name(), alone.name());
    let texts = ["the sea is cold", "warm", "the sea"];
    let (made, ()) = tokio::join!(embedder.embed(&texts), tokio::task::yield_now());
    assert_eq!(made.unwrap(), embed(&alone, &texts));
    assert!(format!("{embedder:?}").contains(alone.name()));
}
