//! The bank's table, read and encoded: the same numbers as pandas and scikit-learn 1.x give.

use pellucid_data::split::{Part, Split, SplitOptions};
use pellucid_data::steps::{Preprocessing, StepsOptions, fit};
use pellucid_data::table::{Batch, ColumnType, ReadOptions, Rows, open, read};

const BANK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/01-bank/bank.csv");

fn bank() -> Batch {
    read(BANK, &ReadOptions::default()).unwrap()
}

fn features() -> Vec<String> {
    bank().schema().names().into_iter().filter(|n| n != "y").collect()
}

#[track_caller]
fn near(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{g} is not {e}");
    }
}

/// Rows 0, 1, 100 and 4520: the scaled columns, then the places of the ones behind them.
fn check_rows(steps: &Preprocessing, numeric: [[f64; 7]; 4]) {
    const ONES: [[usize; 9]; 4] = [
        [10, 13, 15, 19, 21, 23, 25, 38, 43],
        [7, 13, 16, 19, 22, 24, 25, 36, 40],
        [1, 13, 16, 19, 22, 23, 27, 36, 43],
        [2, 14, 17, 19, 22, 24, 25, 28, 41],
    ];
    let encoded: Vec<f64> = steps.encode_to_vec(&bank()).unwrap();
    for ((row, numbers), ones) in [0, 1, 100, 4520].into_iter().zip(numeric).zip(ONES) {
        let row = &encoded[row * 51..][..51];
        near(&row[..7], &numbers, 1e-13);
        let found: Vec<usize> = (0..44).filter(|&i| row[7 + i] == 1.0).collect();
        assert_eq!(found, ones);
        assert_eq!(row[7..].iter().sum::<f64>(), 9.0);
    }
}

#[test]
fn encoding_is_that_of_scikit_learn() {
    let steps = fit(&bank(), &features(), None, &StepsOptions::default()).unwrap();
    assert_eq!(steps.width(), 51);
    let names: Vec<&str> = steps.tensor_columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "age balance day duration campaign pdays previous job_admin. job_blue-collar job_entrepreneur \
         job_housemaid job_management job_retired job_self-employed job_services job_student job_technician \
         job_unemployed job_unknown marital_divorced marital_married marital_single education_primary \
         education_secondary education_tertiary education_unknown default_no default_yes housing_no housing_yes \
         loan_no loan_yes contact_cellular contact_telephone contact_unknown month_apr month_aug month_dec \
         month_feb month_jan month_jul month_jun month_mar month_may month_nov month_oct month_sep \
         poutcome_failure poutcome_other poutcome_success poutcome_unknown"
    );
    check_rows(
        &steps,
        [
            [
                -1.0562696524273598,
                0.12107185807539463,
                0.3740520633526504,
                -0.7118608021259983,
                -0.5768294699140059,
                -0.4072182979332062,
                -0.3204128219555523,
            ],
            [
                -0.7725828148853345,
                1.1186442967405494,
                -0.5960264557452027,
                -0.1691938897666138,
                -0.5768294699140059,
                2.9890440835684733,
                2.0417337219678915,
            ],
            [
                -0.48889597734330914,
                -0.4727529080454021,
                -1.202325530181361,
                0.2811041864464926,
                -0.5768294699140059,
                -0.4072182979332062,
                -0.3204128219555523,
            ],
            [
                0.26760225610209176,
                -0.09525714178170591,
                -1.5661049748430558,
                0.311893798495252,
                -0.255230501671162,
                2.09003345317097,
                3.813343629910474,
            ],
        ],
    );
    let encoded: Vec<f64> = steps.encode_to_vec(&bank()).unwrap();
    let weighted: f64 =
        encoded.chunks_exact(51).enumerate().map(|(i, row)| (i + 1) as f64 * row.iter().sum::<f64>()).sum();
    near(&[weighted], &[92_376_466.751_603_22], 1e-12);
    let single: Vec<f32> = steps.encode_to_vec(&bank()).unwrap();
    assert!(single.iter().zip(&encoded).all(|(s, d)| *s == *d as f32));
}

#[test]
fn steps_are_fitted_on_training_rows_unless_the_leak_is_asked_for() {
    let parts = (0..4521).map(|i| if i % 5 == 0 { Part::Test } else { Part::Train }).collect();
    let split = Split::from_parts(parts);
    let steps = fit(&bank(), &features(), Some(&split), &StepsOptions::default()).unwrap();
    assert!(!steps.fitted_on_all_rows());
    assert_eq!(steps.rows(), 3616);
    check_rows(
        &steps,
        [
            [
                -1.0610168325983074,
                0.12488852643425712,
                0.3534000276704934,
                -0.7032639192970499,
                -0.5761665151224917,
                -0.4038811101832069,
                -0.3153698252121277,
            ],
            [
                -0.7775564065417518,
                1.1612646175749055,
                -0.6092323640858186,
                -0.16413580112011375,
                -0.5761665151224917,
                2.983464407581713,
                2.0383500673927304,
            ],
            [
                -0.4940959804851963,
                -0.4920348829156225,
                -1.2108776089335136,
                0.2832258288564929,
                -0.5761665151224917,
                -0.4038811101832069,
                -0.3153698252121277,
            ],
            [
                0.2617984889989516,
                -0.09985525615487081,
                -1.5718647558421306,
                0.31381465825660276,
                -0.25953762170563305,
                2.0868141234674695,
                3.803639986846374,
            ],
        ],
    );
    let options = StepsOptions { fit_on_all_rows: true, ..Default::default() };
    let leaked = fit(&bank(), &features(), Some(&split), &options).unwrap();
    assert!(leaked.fitted_on_all_rows());
    assert_eq!(leaked, fit(&bank(), &features(), None, &options).unwrap());
}

#[test]
fn batches_give_the_same_bits_as_the_whole() {
    let steps = fit(&bank(), &features(), None, &StepsOptions::default()).unwrap();
    let whole: Vec<f32> = steps.encode_to_vec(&bank()).unwrap();
    let mut reader = open(BANK, &steps.read_options(ReadOptions::default())).unwrap();
    assert!(reader.schema().fields().iter().all(|f| f.column_type != ColumnType::Integer));
    let mut batch = Batch::new(reader.schema().clone());
    let mut encoded = Vec::new();
    let mut fitter =
        pellucid_data::steps::Fitter::new(reader.schema(), &features(), &Default::default()).unwrap();
    while reader.fill(&mut batch, 333).unwrap() > 0 {
        encoded.extend(steps.encode_to_vec::<f32>(&batch).unwrap());
        fitter.observe(&batch, None).unwrap();
    }
    assert!(encoded == whole);
    let streamed = fitter.finish().unwrap();
    assert!(streamed.encode_to_vec::<f32>(&bank()).unwrap() == whole);
}

#[test]
fn a_stratified_split_is_exact_and_repeatable() {
    let options = SplitOptions::Stratified { validation: 0.0, test: 0.2, seed: 7, column: None };
    let table = bank();
    let split = Split::make(&table, &options, Some("y")).unwrap();
    assert_eq!((split.count(Part::Train), split.count(Part::Test)), (3616, 905));
    let y = table.column("y").unwrap();
    let positives = split.rows(Part::Test).into_iter().filter(|&r| y.text(r) == Some("yes")).count();
    // 521 of 4521 clients are positive: 905 × 521 / 4521 = 104.3.
    assert_eq!(positives, 104);
    assert_eq!(split, Split::make(&table, &options, Some("y")).unwrap());
    let other = SplitOptions::Stratified { validation: 0.0, test: 0.2, seed: 8, column: None };
    assert_ne!(split, Split::make(&table, &other, Some("y")).unwrap());
}

#[test]
fn encoded_rows_come_back() {
    let table = bank();
    let steps = fit(&table, &features(), None, &StepsOptions::default()).unwrap();
    let encoded: Vec<f64> = steps.encode_to_vec(&table).unwrap();
    for row in (0..4521).step_by(97) {
        let decoded = steps.decode(&encoded[row * 51..][..51]).unwrap();
        let mut cells = std::collections::BTreeMap::new();
        for (source, value) in steps.sources().iter().zip(decoded) {
            let pellucid_data::steps::Decoded::Value(cell) = value else { panic!("{value}") };
            let column = table.column(&source.name).unwrap();
            match column.number(row) {
                Some(x) => {
                    assert!(matches!(cell, pellucid_data::table::Cell::Number(y) if (x - y).abs() < 1e-9));
                }
                None => assert_eq!(cell, column.cell(row)),
            }
            cells.insert(source.name.clone(), column.cell(row));
        }
        assert_eq!(steps.encode_cells("baseline", &cells).unwrap(), encoded[row * 51..][..51]);
    }
    let mean = steps.training_mean();
    let mut sums = vec![0.0; 51];
    encoded.iter().enumerate().for_each(|(i, v)| sums[i % 51] += v / 4521.0);
    near(&mean, &sums, 1e-12);
}
