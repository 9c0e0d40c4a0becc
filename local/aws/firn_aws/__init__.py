"""The laptop's AWS: ministack 1.5.33 with the gaps mended that would let a wrong product pass.

`python -m firn_aws` starts the server in this process, `python -m firn_aws.mail` the inbox.
Each module mends one area of the pinned release; the tests prove every gap on the stock one.
"""

MINISTACK_VERSION = "1.5.33"
"""The release whose internals these mends are written against."""
