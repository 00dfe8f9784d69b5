"""The device is chosen in one place; machines with and without GPUs are played, whatever this one has."""
import pytest
import torch

from unrolled.device import available_devices, choose_device, one_thread, peak_memory, synchronize


@pytest.fixture
def machine(monkeypatch):
    """Play a machine with so many GPUs, with or without MPS."""
    def play(gpus=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    return play


@pytest.mark.parametrize("gpus, mps, devices, best", [
    (0, False, ["cpu"], "cpu"),
    (0, True, ["mps", "cpu"], "mps"),
    (1, False, ["cuda:0", "cpu"], "cuda"),
    (2, True, ["cuda:0", "cuda:1", "mps", "cpu"], "cuda"),
])
def test_the_best_that_there_is(machine, gpus, mps, devices, best):
    machine(gpus, mps)
    assert available_devices() == devices
    assert choose_device() == choose_device(None) == torch.device(best)


def test_a_count_of_gpus_that_cannot_be_used_is_no_gpu(machine, monkeypatch):
    machine(0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)          # a GPU, but no driver for it
    assert choose_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1", "mps", "mps:0", "cpu", "cpu:0"])
def test_a_name_or_a_device_that_is_there(machine, name):
    machine(2, mps=True)
    assert choose_device(name) == choose_device(torch.device(name)) == torch.device(name)


@pytest.mark.parametrize("gpus, mps, name, sentence", [
    (0, False, "cuda", "device 'cuda' is not on this machine, which has cpu"),
    (0, False, "cuda:0", "device 'cuda:0' is not on this machine, which has cpu"),
    (0, False, "mps", "device 'mps' is not on this machine, which has cpu"),
    (0, True, "cuda", "device 'cuda' is not on this machine, which has mps, cpu"),
    (0, True, "mps:1", "device 'mps:1' is not on this machine, which has mps, cpu"),
    (0, False, "cpu:1", "device 'cpu:1' is not on this machine, which has cpu"),
    (1, False, "cuda:3", "device 'cuda:3' is not on this machine, which has cuda:0, cpu"),
    (1, False, "meta", "device 'meta' is not on this machine, which has cuda:0, cpu"),
    (1, False, torch.device("cuda:1"), "device 'cuda:1' is not on this machine, which has cuda:0, cpu"),
    (1, False, "gpu", "unknown device 'gpu'; this machine has cuda:0, cpu"),
    (0, False, "", "unknown device ''; this machine has cpu"),
    (0, False, 1.5, "unknown device 1.5; this machine has cpu"),
])
def test_what_is_not_there(machine, gpus, mps, name, sentence):
    machine(gpus, mps)
    with pytest.raises(ValueError) as error:
        choose_device(name)
    assert str(error.value) == sentence


def test_this_machine():
    device = choose_device()
    assert torch.zeros(2, device=device).sum().item() == 0
    assert choose_device("cpu") == torch.device("cpu")


def test_one_thread_for_as_long_as_it_takes():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(KeyError), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["cpu", "mps"])
def test_memory_that_nobody_counts(name):
    with peak_memory(torch.device(name)) as peak:
        pass
    assert peak.bytes is None


def test_the_memory_of_the_gpu_that_is_meant(monkeypatch):
    """Played: the counter of the second GPU begins anew, and is read when the block is done."""
    counted = {"cuda:0": 10 ** 9, "cuda:1": 10 ** 9}
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: counted.update({str(device): 100}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: counted[str(device)])
    with peak_memory(torch.device("cuda:1")) as peak:
        counted["cuda:1"] += 4096
    assert peak.bytes == 4196 and counted["cuda:0"] == 10 ** 9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_memory_of_a_real_gpu():
    device = torch.device("cuda")
    with peak_memory(device) as peak:
        before = torch.cuda.memory_allocated(device)
        torch.zeros(1 << 20, device=device)
    assert peak.bytes - before == 1 << 22


def test_waiting_is_for_the_device_that_is_meant(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append(str(device)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    for name in ("cpu", "cuda:1", "mps"):
        synchronize(torch.device(name))
    assert waited == ["cuda:1", "mps"]
