"""What a site is: builds requests, reads replies. Pure."""
