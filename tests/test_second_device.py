"""Nothing assumes that there is one device: the package on the device of ``second_device.py``. The pages: tests/book."""
import torch

from unrolled.layers import LSTMScratch
from unrolled.models import LanguageModel
from unrolled.text import Windows
from unrolled.training import Trainer

THE_REST = '''
import torch
from unrolled import figures, forecasting
from unrolled.generation import generate, next_token_probabilities
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.models import Forecaster, LanguageModel, load, save
from unrolled.probe import forget_products, gradient_norms, trace
from unrolled.series import Scaler
from unrolled.snapshots import Snapshots
from unrolled.text import Vocabulary, Windows
from unrolled.training import Trainer
from unrolled.trials import Bench, Setting
from unrolled.widgets import GradientFlow, StateMicroscope, TrainingReplay
from unrolled.widgets.state_microscope import correlations

def refused(work, *words):
    try:
        work()
    except (RuntimeError, TypeError) as error:
        assert any(word in str(error) for word in words), error
    else:
        raise AssertionError("this device is none: it let the CPU's tensors in")

text = "the machine stood in the old garden and nobody had moved it since the summer before last. " * 4
vocab = Vocabulary.from_text(text)
ids, v = vocab.encode(text), len(vocab)
for below, above in ((LSTM, LSTMScratch), (GRU, GRUScratch), (RNN, RNNScratch)):
    stack = Stacked([below(8, 6), above(6, 8)], dropout=0.1)
    model = LanguageModel(stack, v, embedding=8, tied=True, dropout=0.1)
    snapshots = Snapshots(model, vocab, text[:30], num_tokens=3)
    trainer = Trainer(model, Windows(ids, 10), Windows(ids, 10), optimizer="adamw", lr=0.01, batch_size=200, schedule="cosine")
    trainer.fit(2, on_epoch=[snapshots, figures.LiveCurve()], checkpoint="checkpoint", restore_best=True)
    Trainer(model, Windows(ids, 10), Windows(ids, 10), optimizer="adamw", lr=0.01, batch_size=200, schedule="cosine").resume("checkpoint")
    assert model.device.type == trainer.device.type == "elsewhere"
    TrainingReplay(trainer.history).describe()
    generate(model, vocab, "the", 3, temperature=0.5, top_k=3)
    next_token_probabilities(model, vocab, "the")
    for layer in (0, 1):
        seen = trace(model, vocab, text[:30], layer=layer)
    correlations(seen.values["H"], text[:30], {"length": lambda text: list(range(len(text)))})
    save(model, vocab, "model")
    assert load("model")[0].device.type == "cpu"
    inputs = torch.randn(5, 2, 6).to(model.device)
    figures.plot_gradient_norms({"above": gradient_norms(stack.layers[1], inputs)})
    refused(lambda: model(ids[:5, None]), "same device")
    refused(lambda: inputs.numpy(), "numpy")
    refused(lambda: torch.randn(2, generator=torch.Generator(), device=model.device), "generator")

forget_products(LSTM(6, 4).to(model.device), inputs)
model = LanguageModel(LSTM(v, 8), v).to(model.device)
StateMicroscope(model, vocab, text[:40], held_out=text[:40]).describe()
GradientFlow.measure(steps=4, seeds=1, hidden=8, inputs=6).add("mine", LSTM(6, 8).to(model.device))
Bench(text, split="honest", windows=50).run(Setting(num_hiddens=6, num_steps=4, batch_size=16))

past = torch.randn(60, 1).cumsum(0)
forecaster, scaler = Forecaster(LSTM(1, 4)).to(model.device), Scaler.fit(past, lag=1)
forecasting.fit_forecaster(forecaster, scaler.scale(past), num_steps=8, num_validation=8, epochs=1)
forecaster.one_step(past, scaler), forecaster.forecast(past, 3, samples=5, scaler=scaler)
print("all of it")
'''


def test_what_the_pages_do_not_call(elsewhere, tmp_path):
    (tmp_path / "rest.py").write_text(THE_REST, encoding="utf-8")
    assert elsewhere(tmp_path / "rest.py", tmp_path) == "all of it\n"


def test_a_default_device_of_the_readers_own():
    """Whoever called torch.set_default_device gets what nobody's default would give: on "meta", numbers would be lost."""
    ids = torch.randint(5, (60,), generator=torch.Generator().manual_seed(0))
    trained = []
    for default in ("cpu", "meta"):
        torch.manual_seed(0)
        model = LanguageModel(LSTMScratch(5, 4), 5)
        trainer = Trainer(model, Windows(ids, 6), Windows(ids, 6), lr=1.0, batch_size=16, device="cpu")
        with torch.device(default):
            trainer.fit(2, progress=False)
        trained.append((trainer.history.final.validation_loss, *(p.tolist() for p in model.parameters())))
    assert trained[0] == trained[1]
