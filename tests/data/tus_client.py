"""Uploads a file with tuspy, somebody else's tus client: address, token, organization, file, bytes a request (0: all)."""

import sys

from tusclient.client import TusClient

address, token, organization, path, step = sys.argv[1:]
client = TusClient(address, headers={"Authorization": "Bearer " + token})
options = {"chunk_size": int(step), "upload_checksum": True} if int(step) else {}
uploader = client.uploader(
    path,
    metadata={"organization_id": organization, "filename": "微黨課.bin"},
    retries=5,
    retry_delay=0,
    **options,
)
uploader.upload()
print(uploader.url)
