"""The AWS stand-in: ministack 1.5.33 with patches for gaps that would hide bugs of firn.

`python -m firn_aws` starts the server in this process. `python -m firn_aws.mail` starts the inbox.
Each module patches one area of the pinned release. "Stock ministack" is that release without a
patch. The option `--stock` of the tests proves that each gap exists there.
"""

MINISTACK_VERSION = "1.5.33"
"""The release whose private functions the patches replace."""
