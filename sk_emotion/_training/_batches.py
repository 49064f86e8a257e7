"""Images staged on the device, and batches sliced from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.dataset import Dataset

from .._images._stored import StoredImages, iterate_blocks
from .._images._validation import as_tensor

# Share of a GPU's free memory that images may use; the rest is for the network.
_STAGED_SHARE = 0.5


class FaceDataset(Dataset):
    """Images, class codes and sample weights as tensors on one device.

    Images that do not fit on it, and images on disk unless they fit on a GPU, are not staged but read by batch.
    """

    def __init__(
        self,
        images: NDArray[Any] | torch.Tensor | StoredImages,
        codes: NDArray[np.int64],
        sample_weight: NDArray[np.float32] | None = None,
    ):
        self.images = images if isinstance(images, torch.Tensor | StoredImages) else as_tensor(images)
        self.chunks: torch.Tensor | None = None
        if isinstance(images, StoredImages) and (numbers := images.chunk_numbers()) is not None:
            self.chunks = torch.from_numpy(numbers)
            self.chunks_at_once = images.chunks_at_once
        self.codes = torch.as_tensor(codes, dtype=torch.int64)
        weight = np.ones(len(codes), dtype=np.float32) if sample_weight is None else sample_weight
        self.sample_weight = torch.as_tensor(weight, dtype=torch.float32)

    def to(self, device: str | torch.device) -> "FaceDataset":
        """Move everything to `device`, except images that do not fit."""
        if _fits(self.images, torch.device(device)):
            self.images = (
                _stage(self.images, device) if isinstance(self.images, StoredImages) else self.images.to(device)
            )
        self.codes = self.codes.to(device)
        self.sample_weight = self.sample_weight.to(device)
        return self

    @property
    def X(self) -> torch.Tensor | StoredImages:  # noqa: N802 - the name is skorch's
        """Images, under the name that skorch's callbacks use."""
        return self.images

    @property
    def y(self) -> torch.Tensor:
        """Class codes, under the name that skorch's callbacks use."""
        return self.codes

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        on_gpu = self.codes.is_cuda
        found = self.images[index.numpy() if isinstance(self.images, StoredImages) else index]
        images = (found if isinstance(found, torch.Tensor) else as_tensor(found)).to(
            self.codes.device, non_blocking=on_gpu
        )
        if isinstance(index, torch.Tensor):
            index = index.to(self.codes.device, non_blocking=on_gpu)
        return {"images": images, "sample_weight": self.sample_weight[index]}, self.codes[index]


@dataclass(eq=False)
class FaceBatches:
    """Batches of nearly equal size; a last batch of one image would fail in batch normalization.

    Images read in chunks are shuffled by chunk, and by row among the chunks in memory at the same time.
    """

    dataset: FaceDataset
    batch_size: int
    shuffle: bool = False
    balance: bool = False
    generator: torch.Generator | None = None

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        # Copy the whole order at once: copying indices to a GPU in each batch would wait for the previous batch.
        place = getattr(self.dataset.images, "device", "cpu")
        for rows in self._order().to(place).tensor_split(len(self)):
            yield self.dataset[rows]

    def _order(self) -> torch.Tensor:
        n_samples = len(self.dataset)
        if not self.shuffle:
            return torch.arange(n_samples)
        order = self._balanced_order() if self.balance else torch.randperm(n_samples, generator=self.generator)
        return order if self.dataset.chunks is None else self._by_chunks(order, self.dataset.chunks)

    def _by_chunks(self, order: torch.Tensor, chunks: torch.Tensor) -> torch.Tensor:
        """Group the order by chunks that are in memory at the same time, drawn at random."""
        drawn = torch.randperm(int(chunks.max()) + 1, generator=self.generator)
        turn = drawn // self.dataset.chunks_at_once
        return order[turn[chunks[order]].argsort(stable=True)]

    def _balanced_order(self) -> torch.Tensor:
        """Draw the same number of images from each class; within a class, repetitions differ by at most one."""
        codes = self.dataset.codes.cpu()
        classes = codes.unique()
        per_class = -(-len(codes) // len(classes))
        drawn = []
        for code in classes:
            members = torch.nonzero(codes == code).flatten()
            rounds = [
                members[torch.randperm(len(members), generator=self.generator)]
                for _ in range(-(-per_class // len(members)))
            ]
            drawn.append(torch.cat(rounds)[:per_class])
        order = torch.cat(drawn)
        return order[torch.randperm(len(order), generator=self.generator)[: len(codes)]]


def _stage(images: StoredImages, device: str | torch.device) -> torch.Tensor:
    """Copy images from disk to a device in blocks."""
    first = as_tensor(images[:1])
    staged = torch.empty((len(images), *first.shape[1:]), dtype=first.dtype, device=device)
    start = 0
    for block in iterate_blocks(images):
        staged[start : start + len(block)] = as_tensor(block)
        start += len(block)
    return staged


def _fits(images: torch.Tensor | StoredImages, device: torch.device) -> bool:
    if device.type != "cuda":
        return not isinstance(images, StoredImages)
    # Memory that PyTorch has cached is free too.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + kept
    return images.nbytes <= _STAGED_SHARE * free
