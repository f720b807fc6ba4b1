"""A scikit-learn pipeline over a table with columns of texts, written by skl2onnx."""

from __future__ import annotations

import warnings

import numpy as np
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from compare import Found, along

NUMBERS = ["age", "balance", "duration", "campaign", "previous"]
TEXTS = {
    "job": ["admin", "blue-collar", "management", "retired", "services", "student", "technician"],
    "marital": ["divorced", "married", "single"],
    "contact": ["cellular", "telephone", "unknown"],
}


def clients(rows: int, draws: np.random.Generator) -> tuple[pandas.DataFrame, np.ndarray]:
    """A table of clients, some of its numbers missing, and which of three classes each is in."""
    table = pandas.DataFrame(
        {
            "age": draws.integers(18, 90, rows),
            "balance": 1500 * draws.standard_normal(rows) + 1000,
            "duration": draws.exponential(250, rows),
            "campaign": draws.integers(1, 12, rows),
            "previous": draws.poisson(1.5, rows),
        }
    ).astype(np.float32)
    for name, words in TEXTS.items():
        table[name] = draws.choice(words, rows)
    score = (table.duration / 250) * (table.contact == "cellular") + 2 * (table.job == "student") - (table.marital == "married")
    score += np.abs(table.age - 45) / 20 + 0.5 * draws.standard_normal(rows)
    for name in NUMBERS[:2]:
        table.loc[draws.random(rows) < 0.05, name] = np.nan
    return table, np.array(["low", "middle", "high"])[np.digitize(score, [0.8, 2.0])]


def wide(table: pandas.DataFrame) -> pandas.DataFrame:
    """The table with numbers of 64 bits, in which scikit-learn then computes."""
    return table.astype({name: np.float64 for name in NUMBERS})


class Net:
    """The fitted pipeline, rows for its output, complete ones to explain, and the row that these are compared with."""

    kinked = True
    #: The value in the file that holds the encoded columns.
    encoded = "transformed_column"

    def __init__(self) -> None:
        draws = np.random.default_rng(17)
        table, classes = clients(2000, draws)
        scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.columns = ColumnTransformer([("numbers", scaled, NUMBERS), ("texts", one_hot, list(TEXTS))])
        self.classifier = MLPClassifier((64, 32), random_state=0, max_iter=60)
        self.pipeline = make_pipeline(self.columns, self.classifier)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.pipeline.fit(table, classes)
        self._round()
        self.scored = clients(64, draws)[0]
        self.scored.loc[0, "job"] = "astronaut"
        complete = table.dropna()
        self.x, self.base = complete[:16], complete[16:17]
        self.targets = self.probabilities(self.x).argmax(1).tolist()

    def _round(self) -> None:
        """Leaves the fitted numbers what 32 bits hold, since the file holds no more."""
        single = lambda x: np.asarray(x, np.float32).astype(np.float64)  # noqa: E731
        imputer, scaler = (step for _, step in self.columns.named_transformers_["numbers"].steps)
        imputer.statistics_ = single(imputer.statistics_)
        scaler.mean_, scaler.scale_ = single(scaler.mean_), single(scaler.scale_)
        self.scale = scaler.scale_
        self.classifier.coefs_ = [single(w) for w in self.classifier.coefs_]
        self.classifier.intercepts_ = [single(b) for b in self.classifier.intercepts_]

    def parameters(self) -> int:
        """How many numbers the classifier learned."""
        return sum(w.size for w in [*self.classifier.coefs_, *self.classifier.intercepts_])

    def export(self, path: str) -> None:
        """Writes the pipeline, with an input for each column."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType

        inputs = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
        inputs += [(name, StringTensorType([None, 1])) for name in TEXTS]
        options = {id(self.classifier): {"zipmap": False}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = to_onnx(self.pipeline, initial_types=inputs, options=options)
        with open(path, "wb") as file:
            file.write(made.SerializeToString())

    @staticmethod
    def feed(table: pandas.DataFrame) -> dict[str, np.ndarray]:
        """A table's columns as the inputs of the file."""
        numbers = {name: table[name].to_numpy(np.float32).reshape(-1, 1) for name in NUMBERS}
        return numbers | {name: table[name].to_numpy(object).reshape(-1, 1) for name in TEXTS}

    def probabilities(self, table: pandas.DataFrame) -> np.ndarray:
        """scikit-learn's own, in 64 bits."""
        return self.pipeline.predict_proba(wide(table))

    def reference(self, precision: str) -> dict[str, Found]:
        """By what is explained: scikit-learn's encoding, and the classifier built anew in NumPy from what was fitted."""
        layers = [
            (w.astype(precision), b.astype(precision)) for w, b in zip(self.classifier.coefs_, self.classifier.intercepts_)
        ]

        def call(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            values = [x.astype(precision)]
            for w, b in layers[:-1]:
                values.append(np.maximum(values[-1] @ w + b, 0))
            scores = values[-1] @ layers[-1][0] + layers[-1][1]
            exponents = np.exp(scores - scores.max(1, keepdims=True))
            output = exponents / exponents.sum(1, keepdims=True)
            chosen = np.eye(output.shape[1], dtype=precision)[self.targets]
            slope = (output * chosen).sum(1, keepdims=True) * (chosen - output)
            for (w, _), value in zip(layers[::-1], [None, *values[:0:-1]]):
                slope = (slope if value is None else slope * (value > 0)) @ w.T
            return output, slope

        # The numbers are explained with the texts as they are, the encoded columns with the base's texts too.
        held = self.x.assign(**{name: self.base[name].iloc[0] for name in NUMBERS})
        x, base, fixed = (self.columns.transform(wide(table)) for table in (self.x, self.base, held))
        encoded, numbers = along(call, x, base), along(call, x, fixed)
        count = len(NUMBERS)
        numbers.gradient, numbers.integrated = numbers.gradient[:, :count] / self.scale, numbers.integrated[:, :count]
        return {"numbers": numbers, "encoded": encoded}

    def under_pellucid(self, path: str, precision: str) -> dict[str, Found]:
        """The same from the file."""
        import pellucid
        from compare import STEPS
        from pellucid import attr

        model = pellucid.load(path, precision=precision)
        gradient = attr.LayerGradientXActivation(model, self.encoded, multiply_by_inputs=False)
        integral = attr.LayerIntegratedGradients(model, self.encoded)
        x, base = self.feed(self.x), self.feed(self.base)
        baselines = {name: str(b[0, 0]) if b.dtype == object else b for name, b in base.items()}
        numbers = {name: b for name, b in baselines.items() if name in NUMBERS}
        output = model(x)[-1]
        side = lambda found: np.concatenate([found[name] for name in NUMBERS], 1)  # noqa: E731
        found = Found(
            output,
            side(attr.Saliency(model).attribute(x, target=self.targets, abs=False)),
            side(attr.IntegratedGradients(model).attribute(x, numbers, target=self.targets, n_steps=STEPS)),
        )
        encoded = Found(
            output,
            gradient.attribute(x, target=self.targets),
            integral.attribute(x, baselines, target=self.targets, n_steps=STEPS),
        )
        return {"numbers": found, "encoded": encoded}
