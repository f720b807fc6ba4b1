"""Writes small scikit-learn pipelines as skl2onnx exports them, and what ONNX Runtime gives for some rows.

    python make.py

Needs scikit-learn, skl2onnx, onnx, onnxruntime and pandas; the files here were made with scikit-learn 1.9.1, skl2onnx 1.20.0, onnx 1.23.2 and
ONNX Runtime 1.31.1. NAME.onnx is a pipeline, NAME.rows.onnx holds its inputs and outputs as initializers `input_0`, … and `output_0`, … The
tests read them and need none of these packages.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas
from onnx import helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import compose, decomposition, discriminant_analysis, ensemble, impute, linear_model, naive_bayes
from sklearn import neural_network, pipeline, preprocessing, svm, tree

HERE = Path(__file__).parent
ROWS = 12


def numbers(missing=False):
    """Rows of four numbers with two and with three classes."""
    draws = np.random.default_rng(7)
    x = draws.normal(size=(150, 4)).astype(np.float32) * [1, 3, 0.5, 10] + [0, 1, -1, 5]
    score = x[:, 0] + 0.4 * x[:, 1] - 0.1 * x[:, 3] + 0.3 * draws.normal(size=150)
    if missing:
        x[draws.random(x.shape) < 0.15] = np.nan
    return x.astype(np.float32), (score > 0).astype(np.int64), np.digitize(score, [-0.6, 0.6]).astype(np.int64), score


def clients():
    """A table with columns of texts, floats with missing values, and whole numbers."""
    draws = np.random.default_rng(3)
    jobs, contacts = ["admin", "blue-collar", "retired", "student"], ["cellular", "telephone"]
    table = pandas.DataFrame(
        {
            "age": draws.integers(18, 90, 160).astype(np.float32),
            "balance": (draws.normal(size=160) * 1000).astype(np.float32),
            "job": draws.choice(jobs, 160),
            "contact": draws.choice(contacts, 160),
            "campaign": draws.integers(1, 9, 160).astype(np.int64),
        }
    )
    yes = (table.age > 55) ^ (table.job == "student") | (table.balance > 900) & (table.contact == "cellular")
    table.loc[draws.random(160) < 0.1, "age"] = np.nan
    return table, np.where(yes, "yes", "no")


def save(name, model, inputs, feed, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = to_onnx(model, initial_types=inputs, target_opset={"": 18, "ai.onnx.ml": 3}, **options)
    made.graph.doc_string = ""
    (HERE / f"{name}.onnx").write_bytes(made.SerializeToString())
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, feed)
    tensors = [numpy_helper.from_array(np.asarray(x), f"input_{i}") for i, x in enumerate(feed.values())]
    for i, found in enumerate(outputs):
        if isinstance(found, list):
            found = np.array([[row[k] for k in row] for row in found], np.float32)
        tensors.append(numpy_helper.from_array(found, f"output_{i}"))
    graph = helper.make_graph([], "rows", [], [], tensors)
    rows = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (HERE / f"{name}.rows.onnx").write_bytes(rows.SerializeToString())
    operators = sorted({f"{n.domain}.{n.op_type}".strip(".") for n in made.graph.node})
    print(f"{name}: {', '.join(operators)}")


def matrix(name, model, y, missing=False, zipmap=False):
    x = numbers(missing)[0]
    model.fit(x, y)
    options = {"options": {id(model): {"zipmap": zipmap}}} if hasattr(model, "predict_proba") else {}
    save(name, model, [("x", FloatTensorType([None, 4]))], {"x": x[:ROWS]}, **options)


def table(name, model, columns, **options):
    rows, y = clients()
    rows = rows[columns]
    model.fit(rows, y)
    kinds = {"f": FloatTensorType, "i": Int64TensorType}
    inputs = [(c, kinds.get(rows[c].dtype.kind, StringTensorType)([None, 1])) for c in columns]
    shown = rows[:ROWS].copy()
    if "job" in columns and options.pop("unseen", False):
        shown.loc[3, "job"] = "astronaut"
    feed = {c: shown[c].to_numpy(object if shown[c].dtype.kind not in "fi" else None).reshape(-1, 1) for c in columns}
    save(name, model, inputs, feed, options={id(model): {"zipmap": False}})


def main():
    _, two, three, score = numbers()
    words = np.array(["low", "middle", "high"])[three]
    scaled = lambda model, *steps: pipeline.make_pipeline(*(steps or [preprocessing.StandardScaler()]), model)
    filled = lambda model: scaled(model, impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    net = lambda: neural_network.MLPClassifier((6, 5), random_state=0, max_iter=80)
    matrix("logistic", scaled(linear_model.LogisticRegression()), two)
    matrix("logistic-columns-zipmap", scaled(linear_model.LogisticRegression()), words, zipmap="columns")
    matrix("logistic-words-zipmap", scaled(linear_model.LogisticRegression()), words, zipmap=True)
    matrix("logistic-l1-norm", scaled(linear_model.LogisticRegression(), preprocessing.Normalizer("l1")), three)
    matrix("linear", scaled(linear_model.LinearRegression(), preprocessing.MinMaxScaler()), np.stack([score, score**2], 1))
    matrix("ridge-robust", scaled(linear_model.Ridge(), preprocessing.RobustScaler()), score)
    matrix("mlp-missing", filled(net()), three, missing=True)
    matrix("mlp-l2-norm", scaled(net(), preprocessing.Normalizer("l2")), two)
    matrix("mlp-regressor", scaled(neural_network.MLPRegressor(hidden_layer_sizes=(6,), random_state=0, max_iter=80)), score)
    matrix("binarizer", scaled(linear_model.LogisticRegression(), preprocessing.Binarizer(threshold=0.25)), two)
    matrix("polynomial", scaled(linear_model.Ridge(), preprocessing.PolynomialFeatures(2)), score)
    matrix("pca", scaled(linear_model.LogisticRegression(), decomposition.PCA(2)), two)
    matrix("bayes", naive_bayes.GaussianNB(), three)
    matrix("discriminant", discriminant_analysis.LinearDiscriminantAnalysis(), three)
    matrix("bins", scaled(linear_model.LogisticRegression(), preprocessing.KBinsDiscretizer(3, encode="onehot-dense")), two)
    matrix("tree", tree.DecisionTreeClassifier(max_depth=3, random_state=0), three)
    forest = dict(n_estimators=4, max_depth=3, random_state=0)
    matrix("forest", ensemble.RandomForestClassifier(**forest), two)
    matrix("forest-words", ensemble.RandomForestClassifier(**forest), words)
    matrix("forest-regressor", ensemble.RandomForestRegressor(**forest), score)
    matrix("extra-trees", ensemble.ExtraTreesClassifier(**forest), three)
    matrix("boosting", ensemble.GradientBoostingClassifier(**forest), two)
    matrix("boosting-three", ensemble.GradientBoostingClassifier(**forest), three)
    matrix("boosting-regressor", ensemble.GradientBoostingRegressor(**forest), score)
    matrix("ada-boost", ensemble.AdaBoostClassifier(n_estimators=3, random_state=0), two)
    matrix("linear-svc", svm.LinearSVC(random_state=0), three)
    matrix("svc", scaled(svm.SVC(C=0.5)), two)
    matrix("svc-polynomial-words", scaled(svm.SVC(kernel="poly", degree=2, C=0.2)), words)
    matrix("svc-three", scaled(svm.SVC(C=0.2)), three)
    matrix("svr", scaled(svm.SVR(kernel="rbf", epsilon=0.6)), score)
    matrix("svr-sigmoid", scaled(svm.NuSVR(kernel="sigmoid", nu=0.2)), score)
    both = ensemble.VotingClassifier(
        [("a", ensemble.RandomForestClassifier(**forest)), ("b", linear_model.LogisticRegression())],
        voting="soft",
        flatten_transform=False,
    )
    matrix("voting", both, two)

    columns = ["age", "balance", "job", "contact"]
    quantities = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoded = compose.ColumnTransformer([("n", quantities, columns[:2]), ("c", one_hot, columns[2:])])
    table("columns-mlp", pipeline.make_pipeline(encoded, net()), columns, unseen=True)
    ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ranks = compose.ColumnTransformer([("c", ordinal, ["job", "contact"]), ("n", "passthrough", ["campaign"])])
    table(
        "columns-forest",
        pipeline.make_pipeline(ranks, ensemble.RandomForestClassifier(**forest)),
        ["job", "contact", "campaign"],
        unseen=True,
    )
    whole = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    mixed = compose.ColumnTransformer(
        [("n", quantities, columns[:2]), ("c", one_hot, columns[2:]), ("i", whole, ["campaign"])], verbose_feature_names_out=False
    )
    table("columns-logistic", pipeline.make_pipeline(mixed, linear_model.LogisticRegression()), [*columns, "campaign"])


if __name__ == "__main__":
    main()
