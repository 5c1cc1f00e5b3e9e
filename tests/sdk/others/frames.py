"""pandas, s3fs and pyarrow on the files door, with nothing but what `glasshouse env` prints. Argument: a bucket."""

import io
import os
import ssl
import sys
import urllib.request

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet
import s3fs
from pyarrow import fs

bucket = sys.argv[1]
MIB = 1024 * 1024
frame = pd.DataFrame(
    {"number": range(1000), "half": np.arange(1000) / 2, "word": [f"ü{i}" for i in range(1000)]}
)

print("-- s3fs")
files = s3fs.S3FileSystem()
files.mkdir(bucket)
assert bucket in files.ls("")
with files.open(f"{bucket}/a b/ü+~.txt", "w") as file:
    file.write("grüße")
assert files.cat(f"{bucket}/a b/ü+~.txt").decode() == "grüße"
assert files.exists(f"{bucket}/a b") and not files.exists(f"{bucket}/a c")
big = os.urandom(17 * MIB)
with files.open(f"{bucket}/big.bin", "wb", block_size=5 * MIB) as file:
    file.write(big)
assert files.size(f"{bucket}/big.bin") == len(big)
assert (
    files.cat_file(f"{bucket}/big.bin", start=5 * MIB - 3, end=5 * MIB + 3) == big[5 * MIB - 3 : 5 * MIB + 3]
)
with files.open(f"{bucket}/big.bin", "rb") as file:
    file.seek(-10, io.SEEK_END)
    assert file.read() == big[-10:]
files.copy(f"{bucket}/big.bin", f"{bucket}/copy.bin")
assert files.cat(f"{bucket}/copy.bin") == big
files.mv(f"{bucket}/copy.bin", f"{bucket}/moved.bin")
files.setxattr(f"{bucket}/moved.bin", colour="blue")
assert files.metadata(f"{bucket}/moved.bin")["colour"] == "blue"
files.put_tags(f"{bucket}/moved.bin", {"kind": "test"})
assert files.get_tags(f"{bucket}/moved.bin") == {"kind": "test"}
for number in range(7):
    files.pipe(f"{bucket}/many/{number % 2}/{number}.txt", str(number).encode())
files.invalidate_cache()
assert sorted(files.glob(f"{bucket}/many/*/*.txt")) == sorted(
    f"{bucket}/many/{n % 2}/{n}.txt" for n in range(7)
)
assert files.du(f"{bucket}/many") == 7
files.rm(f"{bucket}/many", recursive=True)
files.invalidate_cache()
assert not files.exists(f"{bucket}/many")
try:
    files.open(f"{bucket}/none.txt", "rb")
except FileNotFoundError:
    pass
else:
    raise AssertionError("an object that is not there was opened")

print("-- a presigned address")
trusted = os.environ.get("AWS_CA_BUNDLE")
address = files.sign(f"{bucket}/a b/ü+~.txt", expiration=60)
with urllib.request.urlopen(address, context=ssl.create_default_context(cafile=trusted)) as answer:
    assert answer.read().decode() == "grüße"

print("-- pandas")
frame.to_csv(f"s3://{bucket}/frames/plain.csv", index=False)
frame.to_csv(f"s3://{bucket}/frames/packed.csv.gz", index=False)
root = "" if trusted else "s3://"
how = {"filesystem": files} if trusted else {}  # by itself it takes pyarrow, whose trust no variable sets
frame.to_parquet(f"s3://{bucket}/frames/table.parquet", **how)
frame.to_json(f"s3://{bucket}/frames/lines.jsonl", orient="records", lines=True)
for read in (
    pd.read_csv(f"s3://{bucket}/frames/plain.csv"),
    pd.read_csv(f"s3://{bucket}/frames/packed.csv.gz"),
    pd.read_parquet(f"s3://{bucket}/frames/table.parquet", **how),
    pd.read_parquet(f"s3://{bucket}/frames/table.parquet", filesystem=files),
    pd.read_json(f"s3://{bucket}/frames/lines.jsonl", lines=True),
):
    pd.testing.assert_frame_equal(read, frame)
frame.assign(group=frame.number % 3).to_parquet(
    f"{root}{bucket}/frames/parts", partition_cols=["group"], **how
)
read = pd.read_parquet(f"{root}{bucket}/frames/parts", filters=[("group", "=", 1)], **how)
assert sorted(read.number) == [n for n in range(1000) if n % 3 == 1]

print("-- pyarrow")
store = fs.S3FileSystem(
    endpoint_override=os.environ["AWS_ENDPOINT_URL"],
    region=os.environ["AWS_REGION"],
    tls_ca_file_path=trusted,
)
table = pa.Table.from_pandas(frame)
pa.parquet.write_table(table, f"{bucket}/arrow/table.parquet", filesystem=store)
assert pa.parquet.read_table(f"{bucket}/arrow/table.parquet", filesystem=store).equals(table)
assert (
    pa.parquet.read_table(f"{bucket}/arrow/table.parquet", filesystem=store, columns=["half"]).num_columns
    == 1
)
with store.open_output_stream(f"{bucket}/arrow/big.bin", metadata={"Content-Type": "x/y"}) as stream:
    for start in range(0, len(big), MIB):
        stream.write(big[start : start + MIB])
with store.open_input_file(f"{bucket}/arrow/big.bin") as file:
    assert file.size() == len(big)
    assert file.read_at(100, 12 * MIB) == big[12 * MIB : 12 * MIB + 100]
    file.seek(0)
    assert file.read() == big
with store.open_output_stream(f"{bucket}/arrow/empty.bin"):
    pass
store.copy_file(f"{bucket}/arrow/table.parquet", f"{bucket}/arrow/second.parquet")
store.move(f"{bucket}/arrow/second.parquet", f"{bucket}/arrow/third.parquet")
found = {one.path for one in store.get_file_info(fs.FileSelector(f"{bucket}/arrow", recursive=True))}
assert found == {
    f"{bucket}/arrow/{name}" for name in ("table.parquet", "third.parquet", "big.bin", "empty.bin")
}, found
assert store.get_file_info(f"{bucket}/arrow/none").type == fs.FileType.NotFound
pa.dataset.write_dataset(
    table,
    f"{bucket}/arrow/set",
    filesystem=store,
    format="parquet",
    max_rows_per_file=300,
    max_rows_per_group=300,
)
assert pa.dataset.dataset(f"{bucket}/arrow/set", filesystem=store).count_rows() == 1000
store.delete_dir_contents(f"{bucket}/arrow")
files.invalidate_cache()
assert files.find(f"{bucket}/arrow") in ([], [f"{bucket}/arrow/"]), files.find(f"{bucket}/arrow")

files.rm(bucket, recursive=True)
assert bucket not in files.ls("", refresh=True)
print("done")
