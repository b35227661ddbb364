"""A path opens some modules of each bank, the better of two replaces the worse, and what is kept does not move."""

import pytest
import torch
from torch import Tensor, nn

from speech_tl.transfer import pathnet
from speech_tl.transfer.pathnet import Bank, Tournament


def network(*, modules: int = 4, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(Bank(lambda: nn.Linear(2, 3), modules), Bank(lambda: nn.Linear(3, 1), modules))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_bank_sums_what_is_on_the_path() -> None:
    bank = Bank(lambda: nn.Linear(1, 1, bias=False), 3)
    for weight, value in zip(bank.parameters(), (1.0, 10.0, 100.0), strict=True):
        nn.init.constant_(weight, value)
    assert bank(torch.tensor([[2.0]])).item() == 222
    pathnet.walk([bank], [[2, 0]])
    assert bank(torch.tensor([[2.0]])).item() == 202
    pathnet.walk([bank], [[1, 1]])
    assert bank(torch.tensor([[2.0]])).item() == 20, "named twice is there once"


def test_a_path_has_one_to_n_modules_in_each_bank() -> None:
    paths = pathnet.drawn(200, banks=2, active=3, modules=4, generator=random())
    assert paths.shape == (200, 2, 3)
    assert paths.unique().tolist() == [0, 1, 2, 3]
    model, sizes = network(), set()
    for path in paths.tolist():
        pathnet.walk(model, path)
        sizes |= {len(numbers) for numbers in pathnet.walked(model)}
    assert sizes == {1, 2, 3}


def test_only_the_path_gets_a_gradient() -> None:
    model = network()
    pathnet.walk(model, [[1, 3], [0, 0]])
    model(torch.randn(5, 2)).sum().backward()
    moved = [
        name
        for name, module in pathnet.groups(model).items()
        if all(weight.grad is not None for weight in module.parameters())
    ]
    assert moved == ["bank.0.module.1", "bank.0.module.3", "bank.1.module.0"]
    assert tuple(moved) == pathnet.names([[1, 3], [0, 0]])
    assert sum(weight.grad is None for weight in model.parameters()) == 2 * (8 - 3)


def test_a_mutation_moves_little_and_seldom() -> None:
    path, modules = torch.tensor([[0, 4, 9], [5, 5, 5]]), 10
    generator = random()
    changes = torch.stack([pathnet.mutated(path, modules=modules, generator=generator) - path for _ in range(3000)])
    assert path.tolist() == [[0, 4, 9], [5, 5, 5]], "a copy"
    assert set((changes % modules).unique().tolist()) == {0, 1, 2, 8, 9}, "by −2 to 2, round the end"
    # each of 6 numbers with probability 1/6, and one in five moves is by 0: 4/5 of a change in the mean
    assert (changes != 0).sum().item() / 3000 == pytest.approx(4 / 5, abs=0.05)
    assert ((changes + path) >= 0).all() and ((changes + path) < modules).all()


def play(tournament: Tournament, losses: dict[str, float], updates: int) -> None:
    """Notes the loss that belongs to whichever path is on."""
    for _ in range(updates):
        tournament.note(losses[str(tournament.path)])


def test_the_winner_overwrites_the_loser() -> None:
    population = torch.tensor([[[0, 0]], [[5, 5]]])
    generator = random()
    tournament = Tournament(population, modules=10, updates=2, generator=generator)
    twin = random()
    twin.set_state(generator.get_state())
    expected = pathnet.mutated(population[1], modules=10, generator=twin)
    play(tournament, {"[[0, 0]]": 2.0, "[[5, 5]]": 1.0}, 4)
    assert tournament.winner == [[5, 5]]
    assert population.tolist() == [expected.tolist(), [[5, 5]]]


def test_two_paths_take_turns_and_others_wait() -> None:
    population = torch.arange(4).reshape(4, 1, 1)
    tournament = Tournament(population, modules=4, updates=3, generator=random())
    first, second = tournament.pair
    seen = []
    for _ in range(5):
        seen.append(tournament.path)
        tournament.note(1.0)
    assert seen == [[[first]], [[second]]] * 2 + [[[first]]]
    assert population.flatten().tolist() == [0, 1, 2, 3], "not over yet"
    tournament.note(0.5)
    assert tournament.winner == [[second]]
    waited = set(range(4)) - {first, second}
    assert all(population[place].item() == place for place in waited)


def test_a_loss_that_is_no_number_loses() -> None:
    population = torch.tensor([[[0]], [[1]]])
    tournament = Tournament(population, modules=2, updates=1, generator=random())
    play(tournament, {"[[0]]": float("nan"), "[[1]]": 1e9}, 2)
    assert tournament.winner == [[1]]


def test_it_goes_on_where_it_stood() -> None:
    def begun(seed: int) -> tuple[Tournament, torch.Generator]:
        generator = random(seed)
        population = pathnet.drawn(4, banks=2, active=2, modules=5, generator=generator)
        return Tournament(population, modules=5, updates=2, generator=generator), generator

    def follow(tournament: Tournament, updates: int) -> Tensor:
        for _ in range(updates):
            tournament.note(float(sum(map(sum, tournament.path))))
        return tournament.population.clone()

    whole, _ = begun(0)
    follow(whole, 30)
    cut, generator = begun(0)
    follow(cut, 13)
    state, bits = cut.state_dict(), generator.get_state()
    other, generator = begun(7)
    other.load_state_dict(state)
    generator.set_state(bits)
    assert follow(other, 17).equal(whole.population)
    assert other.winner == whole.winner


def test_what_is_kept_stays_to_the_byte() -> None:
    model, fresh, before = network(), network(seed=1), network()
    path = [[1, 3], [0, 2]]
    pathnet.keep(model, model, path, fresh=fresh)
    own, old, new = (pathnet.groups(each) for each in (model, before, fresh))
    kept = pathnet.names(path)
    for name, module in own.items():
        source = old if name in kept else new
        assert all(value.equal(source[name].state_dict()[key]) for key, value in module.state_dict().items()), name
        assert all(weight.requires_grad == (name not in kept) for weight in module.parameters()), name
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    for second in ([[0, 1], [0, 1]], [[1, 2], [2, 3]]):
        pathnet.walk(model, second)
        optimizer.zero_grad()
        model(torch.randn(4, 2)).square().sum().backward()
        optimizer.step()
    assert all(
        value.equal(old[name].state_dict()[key]) for name in kept for key, value in own[name].state_dict().items()
    )
    assert not own["bank.0.module.0"].get_parameter("weight").equal(new["bank.0.module.0"].get_parameter("weight"))
    inputs = torch.randn(4, 2)
    pathnet.walk(model, path)
    pathnet.walk(before, path)
    assert model(inputs).equal(before(inputs)), "and so does what it says"
